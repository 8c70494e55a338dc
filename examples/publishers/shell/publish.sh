#!/bin/sh
# Puts a job on the queue of a Redis or Valkey, with redis-cli alone.
#
#     ./publish.sh users.update_balance '{"idempotency_key": "order-7", "user_id": 42, "amount_kopeks": -1500}'
#
# BALANCE_BROKER_URL names the server, REDISCLI_AUTH is its password: on a command line others could read it. Where balance-worker
# is installed, `balance-worker publish` does it on either broker, looks at the job first, and waits for the outcome.
set -eu
url=${BALANCE_BROKER_URL:-redis://127.0.0.1:6379/0}
queue=${BALANCE_QUEUE:-balance}
job=$1
arguments=$2

new_id() { cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen; }
id=$(new_id) # of the message, not of the job: a new one each time
# In base64 nothing of the arguments has to be quoted.
body=$(printf '[[], %s, {}]' "$arguments" | base64 | tr -d '\n')
frame=$(cat <<JSON
{"body": "$body", "content-encoding": "utf-8", "content-type": "application/json",
 "headers": {"lang": "sh", "task": "$job", "id": "$id", "root_id": "$id", "argsrepr": "()", "kwargsrepr": "()", "ignore_result": true},
 "properties": {"body_encoding": "base64", "correlation_id": "$id", "reply_to": "", "delivery_mode": 2, "priority": 0,
  "delivery_info": {"exchange": "", "routing_key": "$queue"}, "delivery_tag": "$(new_id)"}}
JSON
)
length=$(redis-cli -u "$url" LPUSH "$queue" "$frame") || { echo "not published: $length" >&2; exit 1; }
case $length in # the length of the list: anything else is a refusal, READONLY or OOM say
  '' | *[!0-9]*) echo "not published: $length" >&2; exit 1 ;;
esac
echo published
