// SPDX-License-Identifier: Apache-2.0
// The device's end of the channel: Noise IK and IKpsk2 as initiator, with 25519, ChaChaPoly and
// BLAKE2b, and the preamble in front (docs/protocol.md, section 3; the Noise specification, rev 34).
import { check, concat, KithError, NOTHING, utf8 } from "./bytes.js";
import { agree, boxPair, random } from "./seal.js";
import sodium from "./sodium.js";

export const MODE_SYNC = 0;
export const MODE_JOIN = 1;
export const MODE_FOUND = 2;
export const MESSAGE_MAX = 65535;

const HASH_BYTES = 64;
const BLOCK_BYTES = 128;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const REKEY_MESSAGES = 65536;
const NONCE_MAX = 2 ** 48;

const blake2b = (...parts) => sodium.crypto_generichash(HASH_BYTES, concat(...parts), null);

function hmac(key, ...parts) {
    const padded = concat(key, new Uint8Array(BLOCK_BYTES - key.length));
    const inner = blake2b(padded.map((byte) => byte ^ 0x36), ...parts);
    return blake2b(padded.map((byte) => byte ^ 0x5c), inner);
}

function hkdf(chaining, input, count) {
    const secret = hmac(chaining, input);
    const out = [];
    for (let i = 1; i <= count; i++) out.push(hmac(secret, out.at(-1) ?? NOTHING, [i]));
    return out;
}

function nonceBytes(number) {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setBigUint64(4, BigInt(number), true);
    return bytes;
}

/** One direction. */
class Cipher {
    constructor(key) {
        this.key = key;
        this.nonce = 0;
    }

    #next() {
        check(this.nonce < NONCE_MAX, "handshake", "the connection is worn out");
        return nonceBytes(this.nonce++);
    }

    encrypt(associated, text) {
        return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
            text, associated, null, this.#next(), this.key);
    }

    decrypt(associated, sealed) {
        try {
            return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
                null, sealed, associated, this.#next(), this.key);
        } catch (error) {
            if (error instanceof KithError) throw error;
            check(false, "decrypt");
        }
    }

    rekey() {
        const zeros = new Uint8Array(KEY_BYTES);
        this.key = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
            zeros, NOTHING, null, nonceBytes(2n ** 64n - 1n), this.key).subarray(0, KEY_BYTES);
    }

    count() {
        if (this.nonce % REKEY_MESSAGES === 0) this.rekey();
    }
}

class Symmetric {
    constructor(name) {
        this.hash = concat(utf8(name), new Uint8Array(HASH_BYTES - name.length));
        this.chaining = this.hash;
        this.cipher = null;
    }

    mixHash(data) {
        this.hash = blake2b(this.hash, data);
    }

    mixKey(input) {
        const [chaining, key] = hkdf(this.chaining, input, 2);
        this.chaining = chaining;
        this.cipher = new Cipher(key.subarray(0, KEY_BYTES));
    }

    mixKeyAndHash(input) {
        const [chaining, extra, key] = hkdf(this.chaining, input, 3);
        this.chaining = chaining;
        this.mixHash(extra);
        this.cipher = new Cipher(key.subarray(0, KEY_BYTES));
    }

    encryptAndHash(text) {
        const sealed = this.cipher.encrypt(this.hash, text);
        this.mixHash(sealed);
        return sealed;
    }

    decryptAndHash(sealed) {
        const text = this.cipher.decrypt(this.hash, sealed);
        this.mixHash(sealed);
        return text;
    }

    split() {
        return hkdf(this.chaining, NOTHING, 2).map((key) => new Cipher(key.subarray(0, KEY_BYTES)));
    }
}

/** Messages without their length: what carries them adds it (TCP) or has none (the web). */
export class Channel {
    /** `carrier`: "tcp" or "web". `psk`: 32 bytes in the modes JOIN and FOUND. `ephemeral`: the
     * secret, for tests alone. */
    constructor({ carrier, mode, noiseSecret, hubKey, psk = null, ephemeral = random(KEY_BYTES) }) {
        const pattern = mode === MODE_SYNC ? "IK" : "IKpsk2";
        Object.assign(this, { mode, hubKey, psk, local: boxPair(noiseSecret) });
        this.preamble = Uint8Array.of(0x4b, 1, mode);
        this.ephemeral = boxPair(ephemeral);
        this.symmetric = new Symmetric(`Noise_${pattern}_25519_ChaChaPoly_BLAKE2b`);
        this.symmetric.mixHash(concat(utf8(`kith/1${carrier}`), this.preamble));
        this.symmetric.mixHash(hubKey);
    }

    /** Message 1; the preamble goes before it, and before its length. */
    first(text) {
        const symmetric = this.symmetric;
        symmetric.mixHash(this.ephemeral.public);
        if (this.mode !== MODE_SYNC) symmetric.mixKey(this.ephemeral.public);
        symmetric.mixKey(agree(this.ephemeral.secret, this.hubKey));
        const sealedStatic = symmetric.encryptAndHash(this.local.public);
        symmetric.mixKey(agree(this.local.secret, this.hubKey));
        return concat(this.ephemeral.public, sealedStatic, symmetric.encryptAndHash(text));
    }

    /** The text of message 2. A refusal is a KithError "busy" with `retrySeconds`. */
    second(message) {
        if (message.length === 4 && message[0] === 0 && message[1] === 0) {
            const busy = new KithError("busy", "the hub is busy");
            busy.retrySeconds = message[2] * 256 + message[3];
            throw busy;
        }
        try {
            return this.#second(message);
        } catch (cause) {
            throw Object.assign(new KithError("handshake", "not the hub of the code"), { cause });
        }
    }

    #second(message) {
        const symmetric = this.symmetric;
        check(message.length >= KEY_BYTES + TAG_BYTES, "handshake");
        const remote = message.slice(0, KEY_BYTES);
        symmetric.mixHash(remote);
        if (this.mode !== MODE_SYNC) symmetric.mixKey(remote);
        symmetric.mixKey(agree(this.ephemeral.secret, remote));
        symmetric.mixKey(agree(this.local.secret, remote));
        if (this.mode !== MODE_SYNC) symmetric.mixKeyAndHash(this.psk);
        const text = symmetric.decryptAndHash(message.subarray(KEY_BYTES));
        [this.sending, this.receiving] = symmetric.split();
        return text;
    }

    send(text) {
        const sealed = this.sending.encrypt(NOTHING, text);
        this.sending.count();
        return sealed;
    }

    receive(message) {
        const text = this.receiving.decrypt(NOTHING, message);
        this.receiving.count();
        return text;
    }
}
