# syntax=docker/dockerfile:1
# chaincast as a container: the binary, the authorities' certificates, and nothing that could be logged in to.
#
#   docker build -t chaincast .
#   docker run --rm -p 127.0.0.1:3001:3001 -e CHAINCAST_INSECURE_OPEN=1 chaincast     for development: whoever reaches the port may do everything
#
# docker-compose.yml and deploy/kubernetes/ run it with credentials, PostgreSQL and Redis. Without DATABASE_URL the log is a SQLite file in /data.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# what is depended on is a layer of its own, made anew only when these files change; what the manifests name has to be there for that
COPY Cargo.toml Cargo.lock ./
COPY test-client/load/Cargo.toml test-client/load/Cargo.toml
COPY test-client/load/peers/actix-web-lab/Cargo.toml test-client/load/peers/actix-web-lab/Cargo.toml
RUN mkdir -p src tests/it benches/engine test-client/load/src test-client/load/peers/actix-web-lab/src \
    && for file in src tests/it benches/engine test-client/load/src test-client/load/peers/actix-web-lab/src; do \
         echo 'fn main() {}' > $file/main.rs; \
       done \
    && touch src/lib.rs \
    && cargo build --release --locked --package chaincast
COPY migrations migrations
COPY test-client/*.html test-client/*.css test-client/*.js test-client/
COPY src src
# newer than what was just built, whatever time they were checked out with
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --package chaincast \
    && strip target/release/chaincast \
    && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=65532:65532 /empty /data
COPY --from=build /build/target/release/chaincast /usr/local/bin/chaincast
ENV CHAINCAST_LISTEN=0.0.0.0:3001 \
    CHAINCAST_LOG_FORMAT=json \
    DATABASE_URL=sqlite:///data/chaincast.db
WORKDIR /data
VOLUME /data
USER 65532:65532
EXPOSE 3001
# ready, then hub.closing over the drain window, then the end; a second one ends it at once
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --start-interval=1s --retries=3 CMD ["/usr/local/bin/chaincast", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/chaincast"]
