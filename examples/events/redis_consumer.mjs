// Prints each new event from a stream of Redis or Valkey as a line of JSON.
//
//     node examples/events/redis_consumer.mjs --url redis://127.0.0.1:6379/0 --group shop --name shop-1

import { parseArgs } from "node:util";
import Redis from "ioredis";

const REMEMBERED = 100_000;
const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "redis://127.0.0.1:6379/0" },
    stream: { type: "string", default: "balance.events" },
    group: { type: "string", default: "example" }, // its consumers share the events
    name: { type: "string", default: "example-1" }, // of this consumer
    "idle-ms": { type: "string", default: "60000" }, // whose entry waits longer is taken for dead
  },
});
let stopping = false;
process.once("SIGTERM", () => (stopping = true));

const client = new Redis(given.url);
client.on("error", (error) => console.error(error.message)); // it connects again by itself
await client
  .xgroup("CREATE", given.stream, given.group, "0", "MKSTREAM") // "$": only what comes from now on
  .catch((error) => {
    if (!error.message.startsWith("BUSYGROUP")) throw error; // the group is there
  });
console.error("ready");

const seen = new Set(); // a service has a unique key for the id, written with what it does for the event
while (!stopping) {
  // What a consumer has left that died or hangs, then what is new.
  const [, left] = await client.xautoclaim(
    given.stream, given.group, given.name, given["idle-ms"], "0", "COUNT", 100);
  const found = await client.xreadgroup(
    "GROUP", given.group, given.name, "COUNT", 100, "BLOCK", 1000, "STREAMS", given.stream, ">");
  for (const [entry, list] of [...left, ...(found?.[0][1] ?? [])].filter(Boolean)) {
    const fields = {}; // none: trimmed before it was acknowledged
    for (let i = 0; i < (list?.length ?? 0); i += 2) fields[list[i]] = list[i + 1];
    if (fields.id && !seen.has(fields.id)) {
      console.log(fields.event);
      seen.add(fields.id);
      if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    }
    await client.xack(given.stream, given.group, entry);
  }
}
await client.quit();
