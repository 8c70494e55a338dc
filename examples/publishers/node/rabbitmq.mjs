// Takes 15.00 from a user by way of RabbitMQ, with amqplib: confirmed by the broker, and answered in a queue of its own.
//
//     node rabbitmq.mjs --url amqp://127.0.0.1:5672 --key order-7
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import amqp from "amqplib";

const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "amqp://127.0.0.1:5672" },
    queue: { type: "string", default: "balance" },
    key: { type: "string" }, // what the job is about
    user: { type: "string", default: "42" },
    wait: { type: "string", default: "10" }, // seconds
  },
});

const job = { idempotency_key: given.key, producer: "shop", user_id: Number(given.user), amount_kopeks: -1500 };
const id = randomUUID(); // of the message, not of the job: a new one each time
const connection = await amqp.connect(given.url, { timeout: 10_000 });
const channel = await connection.createConfirmChannel();
let returned = null;
channel.on("return", (message) => (returned = message.fields.replyText)); // there is no such queue

const { queue: replies } = await channel.assertQueue(`balance.replies.${id}`, { exclusive: true, autoDelete: true });
const answer = new Promise((resolve) => channel.consume(replies, (message) => message && resolve(message), { noAck: true }));

// The queue is not declared: workers make it. To the default exchange, by the queue's name.
channel.publish("", given.queue, Buffer.from(JSON.stringify([[], job, {}])), {
  contentType: "application/json",
  contentEncoding: "utf-8",
  persistent: true,
  mandatory: true,
  correlationId: id,
  replyTo: replies,
  headers: { lang: "js", task: "users.update_balance", id, root_id: id, argsrepr: "()", kwargsrepr: given.key },
});
await channel.waitForConfirms(); // rejects when the broker did not take it
if (returned) {
  console.error(`not published: ${returned}: no worker has made the queue ${given.queue} yet`);
  process.exitCode = 1;
} else {
  const patience = new Promise((resolve) => setTimeout(resolve, Number(given.wait) * 1000, null).unref());
  const message = await Promise.race([answer, patience]);
  if (message === null) {
    console.error("no outcome yet: it may be applied or not; publish it again with the same key, and that tells");
    process.exitCode = 1;
  } else {
    const { status, result } = JSON.parse(message.content);
    console.log(status === "SUCCESS" ? result.code : `parked: ${JSON.stringify(result)}`);
  }
}
await connection.close();
