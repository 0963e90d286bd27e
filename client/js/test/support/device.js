// SPDX-License-Identifier: Apache-2.0
// A device as a program, for tests that run it beside the C client: node device.js HOME COMMAND...
// The home is a file in the clear: nothing but a test's records is in it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import WebSocket from "ws";

import { Device } from "../../src/index.js";

const [home, command, ...rest] = process.argv.slice(2);
const device = existsSync(home) ? Device.load(new Uint8Array(readFileSync(home))) : Device.fromCode(rest[0]);
const keep = () => writeFileSync(home, device.save());
const words = (value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex")
    : typeof value === "bigint" ? String(value) : value);
const tell = (value) => console.log(JSON.stringify(value, (_, of) => words(of)));

const COMMANDS = {
    join: async () => tell(await device.sync({ WebSocket, onStored: keep })),
    sync: async () => tell(await device.sync({ WebSocket, onStored: keep })),
    circles: () => tell(device.circles()),
    records: (circle, type) => tell(device.records(circle, type ? Number(type) : null)),
    states: () => tell(Object.fromEntries(device.circles().map(({ id }) => [id, device.stateHash(id)]))),
    many: (circle, edit, count) => {
        for (let i = 0; i < Number(count); i++) device.write(circle, [{ ...JSON.parse(edit), value: [i, JSON.parse(edit).value] }]);
        tell(device.unsent());
    },
    write: (circle, edits) => tell(device.write(circle, JSON.parse(edits))),
};

try {
    await COMMANDS[command](...rest);
    keep();
} catch (error) {
    console.error(error.kind ? `${error.kind}: ${error.message}` : error.stack);
    process.exitCode = 1;
}
