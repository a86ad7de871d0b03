//! What stands behind the long help of each command: lines to paste, the most usual first.

pub(super) const ROOT: &str = "\
Examples:
  chaincast                                          serve on 127.0.0.1:3001; log: data/chaincast.db
  curl -N 'localhost:3001/events/subscribe?all=true' follow every event
  chaincast config default > chaincast.toml          every setting, documented, in a file to change
  chaincast config check                             what is wrong with the settings, if anything
  chaincast COMMAND --help                           what a command does, with examples

Settings are flags, variables and keys of a TOML file (--config, or chaincast.toml where the process stands): a flag wins over a \
variable, a variable over the file, the file over the default.";

pub(super) const SERVE: &str = "\
Examples:
  chaincast serve
  chaincast serve --config /etc/chaincast.toml --log-format json
  DATABASE_URL=postgres://chaincast:secret@db/chaincast chaincast serve --listen 0.0.0.0:3001
  chaincast serve --retention-days 30 --ring-events 50000";

pub(super) const OPENAPI: &str = "\
Examples:
  chaincast openapi > openapi.json";

pub(super) const ASYNCAPI: &str = "\
Examples:
  chaincast asyncapi > asyncapi.json";

pub(super) const HEALTHCHECK: &str = "\
Examples:
  chaincast healthcheck                              is it ready to be sent clients?
  chaincast healthcheck --live                       does the process answer at all?
  chaincast healthcheck --listen 127.0.0.1:8080      of an instance elsewhere on this machine";

pub(super) const KEYS: &str = "\
Examples:
  ADMIN=$(chaincast keys create --name operator --super-admin)
  KEY=$(chaincast keys create --name indexer --publish-types 'stream.*')
  chaincast keys create --name webhook --signing --publish-types 'stream.*'
  chaincast keys list
  chaincast keys rotate 01hx… --overlap-seconds 3600
  chaincast keys revoke 01hx…";

pub(super) const LOG: &str = "\
Examples:
  chaincast log new-epoch --cause 'restored the backup of Monday'
  CHAINCAST_COPY_TO=postgres://chaincast:secret@db/chaincast chaincast log copy";

pub(super) const LOG_EXPORT: &str = "\
Examples:
  chaincast log export > events.ndjson
  chaincast log export --tenant acme --from 7c1f9a02-17 | zstd > since.ndjson.zst
  chaincast log export | jq -c 'select(.type == \"stream.created\")'
  chaincast log export | DATABASE_URL=postgres://… chaincast log import -

The service may run meanwhile. contentDigest is that of what the publisher sent: an import keeps it, so that what is sent again there is \
known as a repetition. Take it out of events that you change. To move a log with its numbers, so that clients go on where they are, use \
`chaincast log copy`.";

pub(super) const LOG_IMPORT: &str = "\
Examples:
  chaincast log import events.ndjson
  zstdcat since.ndjson.zst | chaincast log import --tenant acme -

Events get new numbers, and the time of the import as receivedAt. Ids and sources are kept: what is in the log already is left out, so \
that an import that was interrupted is simply run again. To move a log with its numbers, so that clients go on where they are, use \
`chaincast log copy`.

Ends with 0 when every event is in the log, with 1 when it stopped before the end, with 2 when some ids were known with other content \
and were left as they are stored.";

pub(super) const LOG_STATS: &str = "\
Examples:
  chaincast log stats
  chaincast log stats --types 10           and its ten most frequent types; reads all events
  chaincast log stats --json | jq '.logs[] | {name, events}'";

pub(super) const CONFIG: &str = "\
Examples:
  chaincast config default > chaincast.toml
  chaincast config check --config chaincast.toml
  chaincast config show --changed";

pub(super) const TOKEN: &str = "\
Examples:
  export CHAINCAST_JWT_SECRET=$(openssl rand -base64 48)       # the same for the service
  TOKEN=$(chaincast token --sub ann --users self --topics 'market.**')
  TOKEN=$(chaincast token --all --publish-types '**' --expires-in 7d)
  TOKEN=$(chaincast token --sub ops --tenant acme --admin)
  curl -N localhost:3001/events/subscribe?users=ann -H \"Authorization: Bearer $TOKEN\"
  echo \"$TOKEN\" | chaincast token show";

pub(super) const MIGRATE: &str = "\
Examples:
  chaincast migrate
  chaincast migrate --check && echo 'nothing to do'
  DATABASE_URL=postgres://chaincast:secret@db/chaincast chaincast migrate";

pub(super) const COMPLETIONS: &str = "\
Examples:
  chaincast completions bash > ~/.local/share/bash-completion/completions/chaincast
  chaincast completions zsh > ~/.zfunc/_chaincast              # a directory of $fpath
  chaincast completions fish > ~/.config/fish/completions/chaincast.fish";

pub(super) const TAIL: &str = "\
Examples:
  chaincast tail                                        everything, from now on
  chaincast tail --topic 'market.**' --from earliest    the whole history of a topic, then live
  chaincast tail --stream 1,2 --type 'stream.*'         some streams, and of them some types
  chaincast tail --user GABC… --from '10m ago'          what happened to an account just now
  chaincast tail --json | jq -r .data.amount            one envelope a line, for programs
  chaincast tail --from earliest --until-live --json    all there is, then the end
  chaincast tail --json --cursor-file indexer.cursor    goes on where the last run stopped

What is said about the stream (caught up, reconnecting, gaps) goes to standard error, events to standard output. Times are UTC.

Ends with 0 when it has shown what was asked for or its reader has gone, with 1 when the service refuses it or its credential has ended, \
and with 130 when it is interrupted: then it says where it stopped. Anything that may pass, a restart of the service for one, is waited \
for, as long as it takes or as --give-up-after says.";

pub(super) const PUBLISH: &str = "\
Examples:
  chaincast publish events.ndjson                           a file; run again, nothing doubles
  indexer | chaincast publish                               what another program writes, as it comes
  chaincast publish --dry-run events.ndjson                 would the service take it?
  chaincast publish --id-prefix backfill-7: events.ndjson   number its lines as ids: backfill-7:1, …
  chaincast publish --skip-invalid rejects.ndjson FILE      put aside what is not taken, and go on
  echo '{\"id\":\"1\",\"type\":\"note.taken\",\"data\":{\"n\":1}}' | chaincast publish

Events are published in the order of the input and acknowledged when they are durable. When the service is away or busy it waits, as \
long as it takes or as --give-up-after says. What `chaincast log export` or `tail --json` has written can be published too: seq, \
receivedAt, cursor and source are the new log's own.

Ends with 0 when every event is in the log, with 1 when it stopped before the end (everything before the line that it names is stored, \
so correct it and run the same command again), with 2 when it came to the end and some events are not in the log: conflicts that \
--on-conflict keep left as they were, or rejects of --skip-invalid, and with 130 when it is interrupted: then it says how far it came, \
and the same command goes on from there.";
