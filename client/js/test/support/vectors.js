// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

const folder = new URL("../../../../protocol/vectors/", import.meta.url);

export const file = (name) => new Uint8Array(readFileSync(new URL(name, folder)));
export const cases = (layer) => JSON.parse(new TextDecoder().decode(file(`${layer}.json`))).cases;
