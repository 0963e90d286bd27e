// SPDX-License-Identifier: Apache-2.0
// An agency made here: three people with a device each, and a chart that all of them write in.
import { writeEntry } from "../../src/chain.js";
import { ADMIT, GENESIS, ROTATE, WRITE } from "../../src/circle.js";
import { ENROL, FOUND, INVITE, Roster } from "../../src/roster.js";
import { boxPair, boxSeal, epochCommitment, epochWrap, random, signPair } from "../../src/seal.js";
import { CircleState } from "../../src/state.js";

const TIME = 1700000000;
const ROSTER = { hash: "roster entry", sign: "roster signature" };
const CIRCLE = { hash: "circle entry", sign: "circle signature" };
const ADMIN = 32;
const SPECIALIST = 1;

const newKeys = () => ({ sign: signPair(random(32)), noise: boxPair(random(32)), box: boxPair(random(32)) });
const publics = (keys) => [keys.sign.public, keys.noise.public, keys.box.public];

export class Agency {
    constructor() {
        const [root, hub] = [newKeys(), newKeys()];
        this.roster = new Roster();
        this.keys = [newKeys(), newKeys(), newKeys()];
        const found = [root.sign.public, hub.noise.public, hub.sign.public, ADMIN, ...publics(this.keys[0])];
        this.roster.append(writeEntry(this.roster, ROSTER, [0, TIME, FOUND, found], root.sign.secret));
        for (const device of [2, 3]) this.#enrol(device);
        this.clockMs = TIME * 1000;
        this.states = [1, 2, 3].map((device) => this.#state(device));
        this.#genesis();
    }

    #enrol(device) {
        const invitation = newKeys();
        const content = [device, device, SPECIALIST, 0, invitation.sign.public, invitation.box.public, TIME + 60];
        this.roster.append(writeEntry(this.roster, ROSTER, [1, TIME, INVITE, content], this.keys[0].sign.secret));
        this.roster.append(writeEntry(this.roster, ROSTER, [device, TIME, ENROL, publics(this.keys[device - 1])],
                                      invitation.sign.secret));
    }

    #state(device) {
        const keys = this.keys[device - 1];
        const own = { device, agency: this.roster.agency, keys, boxSecrets: [keys.box.secret], hlc: 0n,
                      nowMs: () => (this.clockMs += 7) };
        return new CircleState(own);
    }

    state(device) {
        return this.states[device - 1];
    }

    /** Everybody takes in an entry by device 1, with boxes for these devices. */
    #append(type, content, devices) {
        const circle = this.state(1).circle;
        const items = [1, this.roster.count, TIME, type, content];
        const entry = writeEntry(circle, CIRCLE, items, this.keys[0].sign.secret);
        this.states.forEach((state) => state.circle.append(this.roster, entry));
        const boxes = devices.map((device) => {
            const place = { circle: circle.id, epoch: circle.epoch, device };
            return { device, box: boxSeal(place, this.keys[device - 1].box.public, this.epochKey) };
        });
        this.states.forEach((state) => state.takeBoxes(boxes));
        this.states.forEach((state) => state.restart());
    }

    #genesis() {
        this.epochKey = random(32);
        const content = [this.roster.agency, 2, random(16), epochCommitment(this.epochKey, 1),
                         [1, 2, 3].flatMap((person) => [person, WRITE]), [1, 2, 3]];
        this.#append(GENESIS, content, [1, 2, 3]);
    }

    /** Person 3 is out; of its changes those through n count. */
    takeOut(n, id) {
        const [old, place] = [this.epochKey, { circle: this.state(1).circle.id, epoch: 1 }];
        this.epochKey = random(32);
        const content = [2, epochCommitment(this.epochKey, 2), [1, epochWrap(place, this.epochKey, old)], [3, 2],
                         [3, 2, 0, n, id]];
        this.#append(ROTATE, content, [1, 2]);
    }

    admit(n, id) {
        this.#append(ADMIT, [3, n, id], []);
    }

    /** What `from` has of a device, from a number on, as a run. */
    run(from, device, firstN = 1, count = Infinity) {
        const changes = this.state(from).log(device).slice(firstN - 1, firstN - 1 + count);
        return { circle: this.state(1).circle.id, device, firstN, changes: changes.map((change) => ({ ...change })) };
    }

    /** Hands over what is new. */
    carry(from, to, device) {
        const have = this.state(to).log(device).length;
        const run = this.run(from, device, have + 1);
        if (run.changes.length > 0) this.state(to).takeRun(this.roster, run);
        this.state(to).merge(this.roster);
    }
}
