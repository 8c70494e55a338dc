// Takes 15.00 from a user by way of Redis or Valkey, with celery-node.
//
//     node redis.mjs --url redis://127.0.0.1:6379/0 --key order-7
//
// Not on RabbitMQ: there celery-node makes the queue, as a classic one, and is locked out where a worker came first.
// rabbitmq.mjs is for that.
import { parseArgs } from "node:util";
import celery from "celery-node";

const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "redis://127.0.0.1:6379/0" },
    queue: { type: "string", default: "balance" },
    key: { type: "string" }, // what the job is about
    user: { type: "string", default: "42" },
    wait: { type: "string", default: "10" }, // seconds
  },
});

const client = celery.createClient(given.url, given.url, given.queue);
// It publishes behind our back: whether there is a connection is known from here alone.
await client.isReady().catch((error) => {
  console.error(`not published: ${error.message}`);
  process.exit(1);
});
const job = { idempotency_key: given.key, producer: "shop", user_id: Number(given.user), amount_kopeks: -1500 };
const sent = client.sendTask("users.update_balance", [], job);
try {
  // Fractions in an outcome are JSON numbers, which JavaScript rounds: of integers (kopeks) that is no matter.
  console.log((await sent.get(Number(given.wait) * 1000, 100)).code);
} catch (error) {
  console.error(`${error.message}: it may be applied or not; publish it again with the same key, and that tells`);
  process.exitCode = 1;
} finally {
  await client.disconnect();
}
