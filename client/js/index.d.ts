// SPDX-License-Identifier: Apache-2.0
// A kith device in JavaScript. Ids are text in hexadecimal; bytes are Uint8Array.

/** What msgpack can say of kith's: integers beyond 2^53 are bigints. */
export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | Map<number | bigint, Value>;

/** Everything that is refused. `kind` is a word, as "signature", "busy", "code", "connection". */
export class KithError extends Error {
    kind: string;
    /** With "busy": when to come again. */
    retrySeconds?: number;
}

/** How soon a change goes. */
export const URGENT: 0;
export const NORMAL: 1;
export const BULK: 2;

/** What an operation does (docs/protocol.md, section 5.3). */
export const PUT: 0;
export const ADD: 1;
export const DROP: 2;
export const APPEND: 3;
export const KEYED: 4;

export interface Edit {
    record: string;
    type: number;
    field: number;
    /** PUT without it. */
    kind?: 0 | 1 | 2 | 3 | 4;
    value: Value;
    /** With KEYED. */
    key?: Value;
}

export interface Register {
    /** The element of a set, the key, or [device, n, value] of an entry; null for a plain field. */
    element: Value;
    /** The one with the greatest stamp. */
    value: Value;
    /** All that are alive. */
    values: { device: number; n: number; value: Value }[];
    /** Whether a person must decide, if the field is narrative or exact. */
    isUnsettled: boolean;
}

export interface KithRecord {
    id: string;
    type: number;
    fields: { [field: number]: Register[] };
}

export interface CircleView {
    id: string;
    /** 1 the agency's, 2 a chart, 3 a person's own, 4 a concern, 5 a worker's file. */
    kind: number;
    epoch: number;
    hasKey: boolean;
    mayWrite: boolean;
    records: number;
    /** Changes that cannot be read yet. */
    waiting: number;
    /** From which own change on the hub takes none, and why. */
    refused: { n: number; reason: string } | null;
}

export interface SyncOptions {
    /** WebSocket of the browser, or what behaves like it. */
    WebSocket?: new (url: string, protocol: string) => unknown;
    url?: string;
    /** Awaited after each batch, before the hub is told that it is stored. */
    onStored?: (device: Device) => void | Promise<void>;
}

export class Device {
    /** A new device, which an invitation is for. Nothing is sent before sync. */
    static fromCode(code: string): Device;
    /** What save() gave. */
    static load(saved: Uint8Array): Device;
    /** All there is, secrets too: to be kept encrypted. */
    save(): Uint8Array;

    readonly device: number;
    readonly isEnrolled: boolean;
    /** It was removed from the agency; what it had is gone once the hub has what it wrote. */
    readonly isEnded: boolean;

    /** Enrols if need be, brings what is new here, fetches what is new elsewhere. */
    sync(options?: SyncOptions): Promise<{ sent: number; received: number; refused: number }>;
    /** Changes that the hub has not acknowledged. */
    unsent(): number;

    circles(): CircleView[];
    records(circle: string, type?: number | null): KithRecord[];
    /** What merging has made of a circle, as one number (docs/protocol.md, section 9.1). */
    stateHash(circle: string): string;
    /** One save, sealed and signed at once; gives its n. It replaces what is alive where it writes. */
    write(circle: string, edits: Edit[], options?: { changeClass?: 0 | 1 | 2 }): number;
}
