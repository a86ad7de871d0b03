//! What stands behind the long help of each command: lines to paste, the most usual first.

pub(super) const ROOT: &str = "\
Examples:
  chaincast                                          serve on 127.0.0.1:3001, the log in data/chaincast.db
  curl -N 'localhost:3001/events/subscribe?all=true' follow every event
  chaincast config default > chaincast.toml          every setting, documented, in a file to change
  chaincast config check                             what is wrong with the settings, if anything
  chaincast COMMAND --help                           what a command does, with examples

Settings are flags, variables and keys of a TOML file (--config, or chaincast.toml where the process stands): a flag wins over a variable, a variable
over the file, the file over the default.";

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
