// Events that are common on chains, as forms: their fields with sensible values, and the event that they make.
//
// A field says which members it fills, as JSON Pointers: a fault that the service finds is shown beside it.

const SENDER = "GCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOJR";
const RECIPIENT = "GCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZI55U";
const TOKEN = "CAIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRCEIRDB3V";
const CHAIN = "stellar:testnet";

const DIGITS = { pattern: "[0-9]+", hint: "whole units, digits only: kept exactly" };
const DECIMAL = { pattern: "[0-9]+([.][0-9]+)?", hint: "a decimal, sent as text so that no digit is lost" };
const SECONDS = { pattern: "[0-9]+", hint: "Unix time in seconds" };
const ADDRESS = { hint: "an account" };

const streamId = { name: "stream_id", label: "Stream", value: "1", hint: "readers follow it by this id", at: ["/streams/0", "/key"] };
const sender = { name: "sender", label: "Sender", value: SENDER, ...ADDRESS, at: ["/users"] };
const recipient = { name: "recipient", label: "Recipient", value: RECIPIENT, ...ADDRESS, at: ["/users"] };
const amount = (name, label, value) => ({ name, label, value, ...DIGITS, varies: true });

/** An event of a payment stream: all fields are its data, and its accounts are its users. */
function payment(says, type, fields) {
  const make = (data) => {
    const users = [...new Set([data.sender, data.recipient].filter(Boolean))];
    return { type, streams: [data.stream_id], users, key: `stream/${data.stream_id}`, chain: CHAIN, data };
  };
  return { group: "Payment streams", says, type, fields: [streamId, ...fields], make };
}

export const TEMPLATES = [
  payment("A payment stream was opened", "stream.created", [
    sender, recipient,
    { name: "token_address", label: "Token", value: TOKEN, hint: "the contract of what is paid" },
    amount("deposited_amount", "Deposited", "100000000000"),
    amount("rate_per_second", "Rate a second", "38580"),
    { name: "start_time", label: "Start", value: "1760000000", ...SECONDS },
  ]),
  payment("A payment stream was topped up", "stream.topped_up", [
    sender,
    amount("amount", "Added", "5000000000"),
    amount("new_deposited_amount", "Deposited in all", "105000000000"),
    { name: "new_end_time", label: "Ends", value: "1762721617", ...SECONDS },
  ]),
  payment("The recipient withdrew", "stream.withdrawn", [
    recipient,
    amount("amount", "Withdrawn", "38580000"),
    { name: "timestamp", label: "Time", value: "1760001000", ...SECONDS },
  ]),
  payment("A payment stream was cancelled", "stream.cancelled", [
    sender, recipient,
    amount("amount_withdrawn", "Withdrawn before", "38580000"),
    amount("refunded_amount", "Refunded", "99961420000"),
  ]),
  payment("A payment stream was paid out", "stream.completed", [recipient, amount("total_withdrawn", "Withdrawn in all", "105000000000")]),
  {
    group: "Tokens", says: "A token was transferred", type: "token.transfer",
    fields: [
      { name: "from", label: "From", value: SENDER, ...ADDRESS, at: ["/users"] },
      { name: "to", label: "To", value: RECIPIENT, ...ADDRESS, at: ["/users"] },
      { name: "asset", label: "Asset", value: "USDC", hint: "also the topic asset.…", at: ["/topics/0"] },
      amount("amount", "Amount", "27000"),
    ],
    make: (data) => ({
      type: "token.transfer", users: [...new Set([data.from, data.to].filter(Boolean))], topics: [`asset.${data.asset}`], chain: CHAIN, data,
    }),
  },
  {
    group: "Markets", says: "A price changed", type: "market.price",
    fields: [
      { name: "asset", label: "Asset", value: "CF1-001", hint: "also the topic market.price.…", at: ["/topics/0"] },
      { name: "price", label: "Price", value: "12.50", ...DECIMAL, varies: true },
      { name: "currency", label: "Currency", value: "USD" },
    ],
    make: (data) => ({ type: "market.price", topics: [`market.price.${data.asset}`], key: `price/${data.asset}`, data }),
  },
  ...[["proposal.created", "A proposal was made", "open"], ["proposal.updated", "A proposal changed", "passed"]].map(([type, says, status]) => ({
    group: "Governance", says, type,
    fields: [
      { name: "proposal_id", label: "Proposal", value: "42", at: ["/topics/0", "/key"] },
      { name: "title", label: "Title", value: "Lower the protocol fee to 0.2 %" },
      { name: "proposer", label: "Proposer", value: SENDER, ...ADDRESS, at: ["/users"] },
      { name: "status", label: "Status", value: status, options: ["open", "passed", "rejected", "executed"] },
    ],
    make: (data) => {
      const id = data.proposal_id;
      return { type, users: [data.proposer].filter(Boolean), topics: [`proposal.${id}`], key: `proposal/${id}`, data };
    },
  })),
];
