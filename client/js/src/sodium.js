// SPDX-License-Identifier: Apache-2.0
// libsodium, once it is ready. Nothing here may be used before.
import sodium from "libsodium-wrappers";

await sodium.ready;

export default sodium;
