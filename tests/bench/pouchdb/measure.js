// SPDX-License-Identifier: Apache-2.0
// PouchDB and its server with the same visits: node measure.js PACKAGES FOLDER FILE. The file has a
// visit on each line; the last one is for a sync of its own. Both keep LevelDB stores in FOLDER, all
// on 127.0.0.1; a relay between them counts bytes. Prints one JSON object. What a laptop of kith does
// is done here: a first sync of everything, one visit more, and a sync that finds nothing.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { resolve } from "node:path";

const [packages, folder, file] = process.argv.slice(2);
const require = createRequire(`${resolve(packages)}/package.json`);
const PouchDB = require("pouchdb");
const visits = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const last = visits.pop();

function freePort() {
    return new Promise((done) => {
        const server = net.createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

let carried = 0;

async function relay(to) {
    const port = await freePort();
    const server = net.createServer((near) => {
        const far = net.connect(to, "127.0.0.1");
        for (const [from, other] of [[near, far], [far, near]]) {
            from.on("data", (bytes) => { carried += bytes.length; });
            from.on("error", () => other.destroy());
            from.pipe(other);
        }
    });
    await new Promise((done) => server.listen(port, "127.0.0.1", done));
    return { port, close: () => server.close() };
}

function cpuSeconds(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function startServer(port) {
    const program = require.resolve("pouchdb-server/bin/pouchdb-server");
    const child = spawn(process.execPath, [program, "--host", "127.0.0.1", "--port", String(port), "--dir",
        folder, "--config", `${folder}/config.json`, "--no-stdout-logs"], { cwd: folder, stdio: "ignore" });
    for (let turn = 0; turn < 200; turn++) {
        try {
            if ((await fetch(`http://127.0.0.1:${port}/`)).ok) return child;
        } catch { /* not there yet */ }
        await new Promise((done) => setTimeout(done, 50));
    }
    child.kill();
    throw new Error("pouchdb-server does not answer");
}

async function measure() {
    const serverPort = await freePort();
    const server = await startServer(serverPort);
    try {
        const between = await relay(serverPort);
        const direct = new PouchDB(`http://127.0.0.1:${serverPort}/visits`);
        for (let first = 0; first < visits.length; first += 1000)
            await direct.bulkDocs(visits.slice(first, first + 1000));

        const local = new PouchDB(`${folder}/laptop`);
        const remote = new PouchDB(`http://127.0.0.1:${between.port}/visits`);
        const answer = { visits: visits.length };
        const server_before = cpuSeconds(server.pid);
        const before = process.cpuUsage();
        const start = performance.now();
        carried = 0;
        const pulled = await local.replicate.from(remote, { batch_size: 500 });
        const used = process.cpuUsage(before);
        if (pulled.docs_written !== visits.length) throw new Error("not every visit arrived");
        Object.assign(answer, {
            first_s: (performance.now() - start) / 1000, first_cpu_s: (used.user + used.system) / 1e6,
            first_server_cpu_s: cpuSeconds(server.pid) - server_before, first_bytes: carried,
        });
        await local.sync(remote);

        await local.put(last);
        carried = 0;
        const pushed = await local.sync(remote);
        if (pushed.push.docs_written !== 1) throw new Error("the visit was not sent");
        answer.one_visit_bytes = carried;

        carried = 0;
        await local.sync(remote);
        answer.nothing_new_bytes = carried;
        console.log(JSON.stringify(answer));
        between.close();
    } finally {
        server.kill();
    }
}

measure().then(() => process.exit(0), (error) => {
    console.error(String(error));
    process.exit(1);
});
