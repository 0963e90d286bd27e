// SPDX-License-Identifier: Apache-2.0
// One WebSocket as a queue of messages (docs/protocol.md, section 3.1).
import { KithError } from "./bytes.js";

export const SUBPROTOCOL = "kith.1";

/** The URL of a hub's address: HOST:PORT is asked in the clear on its own port. */
export function hubUrl(address) {
    return `${/^wss?:/.test(address) ? address.replace(/\/$/, "") : `ws://${address}`}/kith`;
}

export class Socket {
    static open(url, WebSocket) {
        const socket = new Socket(new WebSocket(url, SUBPROTOCOL));
        return new Promise((resolve, reject) => {
            socket.inner.onopen = () => resolve(socket);
            socket.onFail = reject;
        });
    }

    constructor(inner) {
        this.inner = inner;
        this.arrived = [];
        this.waiting = null;
        this.failure = null;
        inner.binaryType = "arraybuffer";
        inner.onmessage = (event) => this.#take(new Uint8Array(event.data));
        inner.onerror = () => this.#fail("the hub cannot be reached");
        inner.onclose = (event) => this.#fail(`the hub closed the connection (${event.code})`);
    }

    #take(message) {
        if (this.waiting) this.waiting.resolve(message);
        else this.arrived.push(message);
        this.waiting = null;
    }

    #fail(text) {
        this.failure ??= new KithError("connection", text);
        this.waiting?.reject(this.failure);
        this.waiting = null;
        this.onFail?.(this.failure);
    }

    send(message) {
        this.inner.send(message);
    }

    receive() {
        if (this.arrived.length > 0) return Promise.resolve(this.arrived.shift());
        if (this.failure) return Promise.reject(this.failure);
        return new Promise((resolve, reject) => {
            this.waiting = { resolve, reject };
        });
    }

    close() {
        this.inner.close(1000);
    }
}
