// SPDX-License-Identifier: Apache-2.0
// What the tests use of node:fs, in a page: the server has the files.
export function readFileSync(url) {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.overrideMimeType("text/plain; charset=x-user-defined");
    request.send();
    if (request.status !== 200) throw new Error(`${url}: ${request.status}`);
    return Uint8Array.from(request.responseText, (char) => char.charCodeAt(0) & 255);
}
