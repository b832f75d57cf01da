// The golden bytes of the contract mean what their JSON says, and survive being encoded again.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import * as contract from "./gen/specula/v1/specula.js";
import { strict } from "./strict.js";

const wire = "../../../tests/testdata/wire";
const names = readdirSync(wire).filter((name) => name.endsWith(".binpb"));

// Canonical JSON as ts-proto's toJSON has it: durations as objects, times to the millisecond, no
// numbers for enumerators that it does not know.
function asTsProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asTsProto);
  if (value instanceof Object) {
    return Object.fromEntries(Object.entries(value).map(([key, part]) =>
      [key, part === 99 ? "UNRECOGNIZED" : asTsProto(part)]));
  }
  if (typeof value !== "string") return value;
  const duration = /^(\d+)\.(\d+)s$/.exec(value);
  if (duration) return { seconds: duration[1], nanos: Number(duration[2]!.padEnd(9, "0")) };
  return value.replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d+Z$/, "$1Z");
}

test("there are golden messages", () => assert.ok(names.length > 50));
for (const name of names) {
  test(name, () => {
    const type = contract[name.split(".")[0] as "StatusResponse"];
    const golden = readFileSync(`${wire}/${name}`);
    const decoded = type.decode(golden);
    assert.deepEqual(Buffer.from(type.encode(decoded).finish()), golden);
    const json = JSON.parse(readFileSync(`${wire}/${name.replace(".binpb", ".json")}`, "utf8"));
    assert.deepEqual(type.toJSON(decoded), asTsProto(json));
  });
}

test("what is cut is no message", () => {
  const decode = strict(contract.StatusResponse.decode);
  const whole = readFileSync(`${wire}/${names.find((name) => name.startsWith("StatusResponse.full."))}`);
  assert.deepEqual(decode(whole), contract.StatusResponse.decode(whole));
  assert.throws(() => decode(whole.subarray(0, -1)));
  assert.throws(() => decode(Buffer.from("\x0a\x40hello")));
});
