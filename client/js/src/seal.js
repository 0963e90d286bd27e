// SPDX-License-Identifier: Apache-2.0
// Hashes, signatures and derived keys under their tags, and what epoch keys travel in
// (docs/protocol.md, sections 1 and 7.2).
import { check, concat, equal, NOTHING, u32, utf8 } from "./bytes.js";
import sodium from "./sodium.js";

export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;
export const ZERO_KEY = new Uint8Array(32);

const tagged = (tag, parts) => concat(utf8(`kith/1 ${tag}`), [0], ...parts);

/** H(tag, parts one after another): 32 bytes. */
export const hash = (tag, ...parts) => sodium.crypto_generichash(32, tagged(tag, parts), null);

/** H16: an id. */
export const hashId = (tag, ...parts) => hash(tag, ...parts).subarray(0, 16);

/** K(tag, key, parts). */
export const derive = (tag, key, ...parts) =>
    sodium.crypto_generichash(32, tagged(tag, parts), key);

export const random = (count) => sodium.randombytes_buf(count);

/** A signing pair, { public, secret }, from its 32-byte seed. */
export function signPair(seed) {
    const pair = sodium.crypto_sign_seed_keypair(seed);
    return { public: pair.publicKey, secret: pair.privateKey };
}

/** An X25519 pair from its secret. */
export function boxPair(secret) {
    return { public: sodium.crypto_scalarmult_base(secret), secret };
}

/** The X25519 secret that two keys share. Keys of small order are refused. */
export function agree(secret, publicKey) {
    let shared;
    try {
        shared = sodium.crypto_scalarmult(secret, publicKey);
    } catch {
        check(false, "malformed", "a key of small order");
    }
    check(!equal(shared, ZERO_KEY), "malformed", "a key of small order");
    return shared;
}

export function checkAgreeable(publicKey) {
    agree(new Uint8Array(32).fill(0x55), publicKey);
}

export const sign = (tag, secret, digest) =>
    sodium.crypto_sign_detached(tagged(tag, [digest]), secret);

export function verify(tag, publicKey, digest, signature) {
    const isGood = signature.length === 64 &&
        sodium.crypto_sign_verify_detached(signature, tagged(tag, [digest]), publicKey);
    check(isGood, "signature");
}

/** XChaCha20-Poly1305, the nonce in front. */
export function encrypt(key, associated, text) {
    const nonce = random(NONCE_BYTES);
    const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(text, associated, null, nonce, key);
    return concat(nonce, sealed);
}

export function decrypt(key, associated, sealed) {
    check(sealed.length >= NONCE_BYTES + TAG_BYTES, "decrypt");
    try {
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
            null, sealed.subarray(NONCE_BYTES), associated, sealed.subarray(0, NONCE_BYTES), key);
    } catch {
        check(false, "decrypt");
    }
}

// --- epoch keys; a place is { circle, epoch, device }

export const epochCommitment = (key, epoch) => derive("epoch commitment", key, u32(epoch));

const placeBytes = (place) => concat(place.circle, u32(place.epoch), u32(place.device));

export const boxSeal = (place, recipient, key) =>
    sodium.crypto_box_seal(concat(placeBytes(place), key), recipient);

export function boxOpen(place, secret, box) {
    let text;
    try {
        text = sodium.crypto_box_seal_open(box, boxPair(secret).public, secret);
    } catch {
        check(false, "decrypt");
    }
    check(text.length === 56 && equal(text.subarray(0, 24), placeBytes(place)), "decrypt");
    return text.subarray(24);
}

/** The key of an earlier epoch, `place.epoch`, under that of a new one. */
export const epochWrap = (place, newKey, key) =>
    encrypt(derive("epoch wrap key", newKey), placeBytes({ ...place, device: 0 }), key);

export function epochUnwrap(place, newKey, wrap) {
    const key = decrypt(derive("epoch wrap key", newKey), placeBytes({ ...place, device: 0 }), wrap);
    check(key.length === 32, "decrypt");
    return key;
}

export { NOTHING };
