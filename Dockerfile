# The server as a small image that runs without root; the database lives in the volume /data.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package firewarden \
    && install -D target/release/firewarden /out/firewarden \
    && install -d /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/firewarden /usr/local/bin/firewarden
COPY --from=build --chown=65532:65532 /out/data /data
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/firewarden/
ENV FIREWARDEN_LISTEN=0.0.0.0:8080 \
    FIREWARDEN_DATABASE_URL=sqlite:/data/firewarden.db
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 65532
ENTRYPOINT ["firewarden"]
CMD ["serve"]
