// SPDX-License-Identifier: Apache-2.0
// One session with the hub (docs/protocol.md, section 4): greets, sends what is to be sent, takes in
// what comes, ends in order.
import { check, concat, KithError } from "./bytes.js";
import { BATCH_MAX, readFrames, VERSION, writeFrame } from "./frames.js";
import { Channel } from "./noise.js";
import { Socket } from "./socket.js";

const REASONS = {
    12: "signature", 20: "gap", 21: "forked", 22: "stale", 23: "not_member", 24: "not_allowed",
    25: "unknown_circle", 26: "unknown_device", 27: "expired", 28: "foreign", 29: "epoch",
    30: "founded", 31: "unfounded", 32: "too_many_attempts", 33: "state", 34: "busy", 35: "ended",
    36: "held", 37: "held_too_much", 40: "disk_full",
};
export const reasonName = (reason) => REASONS[reason] ?? `reason ${reason}`;

const GREETING_ROOM = 300; // HELLO and PULL

/** Frames, as bytes, into messages that are not too long. */
function batches(frames) {
    const made = [];
    let room = 0;
    for (const frame of frames) {
        if (frame.length > room) {
            made.push([]);
            room = BATCH_MAX - GREETING_ROOM;
        }
        made.at(-1).push(frame);
        room -= frame.length;
    }
    return made.map((batch) => concat(...batch));
}

function raise(frame) {
    if (frame.type === "RETRY") {
        const error = new KithError("busy", `the hub is busy; try again in ${frame.seconds} s`);
        throw Object.assign(error, { retrySeconds: frame.seconds });
    }
    check(frame.type !== "ERROR", reasonName(frame.reason), `the hub says: ${reasonName(frame.reason)}`);
}

/**
 * Runs a whole session. `shell` has hello (device), clockMs(), pull(), outbox() (frames as bytes),
 * welcome(frame), take(frames) for each message with news, and isDataInFirst. It may have more to
 * send after each message.
 */
export async function runSession(shell, { url, WebSocket, channel }) {
    const socket = await Socket.open(url, WebSocket);
    try {
        return await exchange(shell, socket, new Channel({ carrier: "web", ...channel }));
    } finally {
        socket.close();
    }
}

async function exchange(shell, socket, channel) {
    const greeting = [
        writeFrame({ type: "HELLO", version: VERSION, device: shell.device, clockMs: shell.clockMs() }),
        writeFrame({ type: "PULL", ...shell.pull() }),
    ];
    let waiting = shell.isDataInFirst ? batches(shell.outbox()) : [];
    let unanswered = waiting.length > 0 ? 1 : 0;
    socket.send(concat(channel.preamble, channel.first(concat(...greeting, waiting.shift() ?? []))));
    let text = channel.second(await socket.receive());
    for (let isFirst = true, isUpToDate = false; ; isFirst = false) {
        const frames = readFrames(text);
        frames.forEach(raise);
        check(!isFirst || frames[0]?.type === "WELCOME", "state", "no WELCOME");
        check(!isFirst || frames[0].version === VERSION, "version");
        await shell.take(frames);
        for (const frame of frames) {
            if (frame.type === "ACK") unanswered -= frame.batches;
            if (frame.type !== "CURSOR") continue;
            isUpToDate = frame.isUpToDate;
            socket.send(channel.send(writeFrame({ type: "CREDIT", bytes: text.length })));
        }
        check(unanswered >= 0, "state", "an answer to nothing");
        if (unanswered === 0 && waiting.length === 0) waiting = batches(shell.outbox());
        if (unanswered === 0 && waiting.length > 0) {
            socket.send(channel.send(waiting.shift()));
            unanswered++;
        }
        if (unanswered === 0 && isUpToDate) break;
        text = channel.receive(await socket.receive());
    }
    socket.send(channel.send(writeFrame({ type: "BYE" })));
}
