// Prints each new event that arrives as a webhook as a line of JSON.
//
//     WEBHOOK_SECRET=whsec_… node examples/events/webhook_receiver.mjs --port 8440

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Webhook } from "standardwebhooks";

const BODY_BYTES_MAX = 1_048_576;
const REMEMBERED = 100_000;
const { values: given } = parseArgs({
  options: {
    secret: { type: "string", default: process.env.WEBHOOK_SECRET }, // whsec_ and base64
    port: { type: "string", default: "8440" }, // 0: any that is free
  },
});
const webhook = new Webhook(given.secret ?? ""); // which says that it may not be empty
const seen = new Set(); // a service has a unique key for the id, written with what it does for the event

async function received(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    if ((size += part.length) > BODY_BYTES_MAX) return 413;
    parts.push(part);
  }
  const body = Buffer.concat(parts); // as they came: parsed and written again they may differ
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 400;
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    console.log(body.toString());
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  }
  return 204; // for one that came before, too: it would come again for ever
}

const server = createServer(async (request, response) => {
  const status = request.method === "POST" ? await received(request).catch(() => 400) : 405;
  response.writeHead(status, { Connection: "close" }).end();
});
server.listen(Number(given.port), "127.0.0.1", () => {
  console.error(`ready on http://127.0.0.1:${server.address().port}`);
});
process.once("SIGTERM", () => server.close()); // what is being received is answered before the end
