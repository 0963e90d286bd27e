// SPDX-License-Identifier: Apache-2.0
// Runs the tests in headless Chromium: node test/browser.js CHROMIUM; or, with an invitation behind,
// joins with it in the page and tells what each circle has come to. Serves the sources on 127.0.0.1
// with an import map for the packages, and for what the tests need of Node.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const LIMIT_MS = 60000;
const CLIENT = "/client/js/";

const IMPORTS = {
    "libsodium-wrappers": `${CLIENT}node_modules/libsodium-wrappers/dist/modules-esm/libsodium-wrappers.mjs`,
    libsodium: `${CLIENT}node_modules/libsodium/dist/modules-esm/libsodium.mjs`,
    "node:test": `${CLIENT}test/support/page_test.js`,
    "node:assert/strict": `${CLIENT}test/support/page_assert.js`,
    "node:fs": `${CLIENT}test/support/page_fs.js`,
};

const tests = readdirSync(new URL(".", import.meta.url)).filter((name) => name.endsWith(".test.js")).sort();
const code = process.argv[3];
const head = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

const joining = `${head}<script type="module">
const answer = { passed: 0, failed: [] };
try {
    const { Device } = await import("${CLIENT}src/index.js");
    const device = Device.fromCode(${JSON.stringify(code)});
    await device.sync();
    answer.states = Object.fromEntries(device.circles().map(({ id }) => [id, device.stateHash(id)]));
    answer.passed = 1;
} catch (error) {
    answer.error = String(error.stack);
}
await fetch("/done", { method: "POST", body: JSON.stringify(answer) });
</script>`;

const testing = `${head}<script type="module">
import { finish } from "${CLIENT}test/support/page_test.js";
try {
    ${tests.map((name) => `await import("${CLIENT}test/${name}");`).join("\n    ")}
    await finish();
} catch (error) {
    await finish(error);
}
</script>`;

function answer(request, response, done) {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://page").pathname));
    if (request.method === "POST") {
        let body = "";
        request.on("data", (chunk) => (body += chunk));
        request.on("end", () => {
            response.end();
            done(JSON.parse(body));
        });
        return;
    }
    const types = { js: "text/javascript", mjs: "text/javascript", json: "application/json" };
    try {
        const content = path === "/" ? (code ? joining : testing) : readFileSync(join(ROOT, path));
        response.setHeader("Content-Type", path === "/" ? "text/html" : types[path.split(".").pop()] ?? "application/octet-stream");
        response.end(content);
    } catch {
        response.statusCode = 404;
        response.end();
    }
}

// What the browser began may still write for a moment.
function remove(folder, tries = 50) {
    try {
        rmSync(folder, { recursive: true, force: true });
    } catch (error) {
        if (tries === 0) throw error;
        setTimeout(() => remove(folder, tries - 1), 100);
    }
}

function run(chromium) {
    const profile = mkdtempSync(join(tmpdir(), "kith-page-"));
    return new Promise((resolve, reject) => {
        const server = createServer((request, response) => answer(request, response, resolve));
        const timer = setTimeout(() => reject(new Error("the page did not finish")), LIMIT_MS);
        server.listen(0, "127.0.0.1", () => {
            const url = `http://127.0.0.1:${server.address().port}/`;
            const browser = spawn(chromium, ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                                             "--disable-dev-shm-usage", `--user-data-dir=${profile}`, url],
                                  { stdio: "ignore", detached: true });
            browser.on("error", reject);
            run.stop = () => {
                clearTimeout(timer);
                server.closeAllConnections();
                server.close();
                browser.once("exit", () => remove(profile));
                process.kill(-browser.pid, "SIGKILL");
            };
        });
    }).finally(() => run.stop?.());
}

const { passed, failed, error, states } = await run(process.argv[2] ?? "chromium");
for (const line of failed) console.log(`not ok ${line}`);
if (error) console.log(error);
console.log(states ? JSON.stringify(states) : `# pass ${passed}`);
process.exitCode = failed.length > 0 || error || passed === 0 ? 1 : 0;
