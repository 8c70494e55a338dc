// Prints each new event from an exchange of RabbitMQ as a line of JSON.
//
//     node examples/events/rabbitmq_consumer.mjs --url amqp://127.0.0.1:5672// --queue shop.events

import { parseArgs } from "node:util";
import { connect } from "amqplib";

const REMEMBERED = 100_000;
const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "amqp://127.0.0.1:5672//" },
    exchange: { type: "string", default: "balance.events" },
    queue: { type: "string", default: "example.events" }, // its consumers take turns, to keep the order
    types: { type: "string", default: "#" }, // which events: user.balance.*, # for all
    passive: { type: "boolean", default: false }, // the exchange is there: this user may not make it
  },
});

const connection = await connect(given.url); // when it is lost, the process ends: whoever starts it starts it again
const channel = await connection.createChannel();
if (given.passive) await channel.checkExchange(given.exchange);
else await channel.assertExchange(given.exchange, "topic", { durable: true });
await channel.assertQueue(given.queue, {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-single-active-consumer": true },
});
await channel.bindQueue(given.queue, given.exchange, given.types);
await channel.prefetch(100);

const seen = new Set(); // a service has a unique key for the id, written with what it does for the event
await channel.consume(given.queue, (message) => {
  if (message === null) throw new Error(`queue ${given.queue} was deleted`);
  const id = message.properties.messageId;
  if (!seen.has(id)) {
    console.log(message.content.toString());
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  }
  channel.ack(message);
});
process.once("SIGTERM", async () => {
  await channel.close(); // after the acknowledgements
  await connection.close();
});
console.error("ready");
