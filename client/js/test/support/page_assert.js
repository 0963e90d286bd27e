// SPDX-License-Identifier: Apache-2.0
// What the tests use of node:assert/strict, in a page.
function fail(text, a, b) {
    throw new Error(`${text ?? ""}: ${show(a)} is not ${show(b)}`);
}

const show = (value) => JSON.stringify(value, (_, of) => (typeof of === "bigint" ? `${of}n` : of))?.slice(0, 300);

function isDeepEqual(a, b) {
    if (Object.is(a, b)) return true;
    if (!a || !b || typeof a !== "object" || typeof b !== "object") return false;
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
    const [keys, others] = [Object.keys(a), Object.keys(b)];
    return keys.length === others.length && keys.every((key) => Object.hasOwn(b, key) && isDeepEqual(a[key], b[key]));
}

function fits(error, wanted) {
    if (typeof wanted === "function") return wanted(error);
    return Object.entries(wanted ?? {}).every(([key, value]) => error[key] === value);
}

export default {
    ok: (value, text) => value || fail(text, value, true),
    equal: (a, b, text) => Object.is(a, b) || fail(text, a, b),
    deepEqual: (a, b, text) => isDeepEqual(a, b) || fail(text, a, b),
    throws(run, wanted, text) {
        let error = null;
        try {
            run();
        } catch (thrown) {
            error = thrown;
        }
        if (!error) fail(text, "what ran", "an error");
        if (!fits(error, typeof wanted === "string" ? null : wanted)) throw error;
    },
};
