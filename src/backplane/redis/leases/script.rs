//! The one thing that Redis is asked to do, at once and by its own clock.
//!
//! `KEYS[1]` is a hash of instance to `count moment`, the moment in milliseconds at which it ends. Arguments: this instance, what it holds,
//! how many more it wants, the most of all instances together, the lease in milliseconds. Answers how many more it has now.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest;
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, aio::ConnectionLike};

const SOURCE: &str = "
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local held, last = 0, 0
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  if fields[at] ~= ARGV[1] then
    local count, ends = string.match(fields[at + 1], '^(%d+) (%d+)$')
    -- no lease is so long, of whatever version
    if count and tonumber(ends) > now and tonumber(ends) < now + 10 * tonumber(ARGV[5]) then
      held = held + tonumber(count)
      last = math.max(last, tonumber(ends))
    else
      redis.call('HDEL', KEYS[1], fields[at])
    end
  end
end
local own, wanted, most, ends = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), now + tonumber(ARGV[5])
local granted = math.max(0, math.min(wanted, most - held - own))
own = own + granted
if own > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %.0f', own, ends))
  last = math.max(last, ends)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
if last > 0 then
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last))
end
return granted
";

/// By which Redis knows the script once it has seen it.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, SOURCE.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
});

/// What is told and asked of one key.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// In Redis.
    pub key: String,
    /// Who tells.
    pub instance: Arc<str>,
    /// What it holds.
    pub own: u32,
    /// How many more it wants.
    pub wanted: u32,
    /// The most of all instances.
    pub most: u32,
    /// How long this holds.
    pub lease_millis: u64,
}

impl Call {
    /// How many more there are now.
    pub(super) async fn run<C: ConnectionLike>(self, mut connection: C) -> RedisResult<u32> {
        match self.command("EVALSHA", &DIGEST).query_async(&mut connection).await {
            // a server that was started or flushed since; and each node of a cluster at its first time
            Err(error) if is_unknown_script(&error) => self.command("EVAL", SOURCE).query_async(&mut connection).await,
            answer => answer,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(&self.key).arg(&*self.instance);
        command.arg(self.own).arg(self.wanted).arg(self.most).arg(self.lease_millis);
        command
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
