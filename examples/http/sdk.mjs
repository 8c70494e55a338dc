// An SDK of the second source API, unchanged, with this door as its server: DOOR_URL and DOOR_KEY say where and who.
import { Flexprice } from "@flexprice/sdk";

const sdk = new Flexprice({ serverURL: `${process.env.DOOR_URL}/v1`, apiKeyAuth: process.env.DOOR_KEY });

const opened = await sdk.wallets.createWallet({ currency: "USD", externalCustomerId: "customer-7", conversionRate: "0.5" });
const topUp = {
  creditsToAdd: "12.5", transactionReason: "PURCHASED_CREDIT_DIRECT", idempotencyKey: "invoice-1042",
  description: "Invoice 1042", metadata: { invoice: "1042" },
};
const first = await sdk.wallets.topUpWallet(opened.id, topUp);
const again = await sdk.wallets.topUpWallet(opened.id, topUp); // the same key: the same answer, nothing added
const read = await sdk.wallets.getWallet(opened.id);
const listed = await sdk.wallets.getWalletTransactions({ idPathParameter: opened.id, limit: 10, offset: 0 });
let refused;
try {
  await sdk.wallets.topUpWallet("nobody", topUp);
} catch (error) {
  refused = { status: error.statusCode, code: JSON.parse(error.body).error.internal_error };
}
console.log(JSON.stringify({ opened, first, again, read, listed, refused }));
