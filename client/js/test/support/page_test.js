// SPDX-License-Identifier: Apache-2.0
// What the tests use of node:test, in a page; says to the server how it went.
const waiting = [];

export default function test(name, run) {
    waiting.push([name, run]);
}

export async function finish(error) {
    const failed = [];
    let passed = 0;
    for (const [name, run] of waiting) {
        try {
            await run();
            passed++;
        } catch (problem) {
            failed.push(`${name}: ${problem.stack ?? problem}`);
        }
    }
    const body = JSON.stringify({ passed, failed, error: error && String(error.stack ?? error) });
    await fetch("/done", { method: "POST", body });
}
