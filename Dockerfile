# weft as images. `weft` (the default) is proxy, control plane, authority and the example application, without a shell
# or a package manager, for a user who is not root, and runs on a read-only root. `--target init` adds iptables and nft:
# it sets a pod's rules as root, and ends.
#   docker build -t weft . && docker build -t weft-init --target init .

FROM node:26.10.0-bookworm-slim AS build
WORKDIR /weft
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# The compile cache is warmed by the very Node that runs later, and under the path where it runs.
RUN node_modules/.bin/node cli/prepare.mjs && npm prune --omit=dev --ignore-scripts \
  && find . -path ./node_modules -prune -o -name '*.test.ts' -exec rm {} + \
  && find node_modules -name '*.d.ts' -o -name '*.map' -o -name '*.md' | xargs rm -f \
  && rm -rf node_modules/node-*/include node_modules/node-*/share Dockerfile docker-compose.yml
# What the program needs of a system: its own Node, that one's libraries, certificates of the public authorities.
RUN mkdir -p /image/usr/local/bin /image/etc/ssl/certs /image/tmp /image/var/lib/weft /image/var/run/weft \
  && node="$(node_modules/.bin/node -p process.execPath)" && ln -s "$node" /image/usr/local/bin/node \
  && ln -s /weft/cli/weft.mjs /image/usr/local/bin/weft && cp --parents /usr/bin/env /image \
  && for library in $(ldd "$node" /usr/bin/env | grep -o '/[^ ]*[0-9] ' | sort -u); do cp -L --parents "$library" /image; done \
  && if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; fi \
  && printf 'root:x:0:0::/:\nweft:x:1337:1337::/var/lib/weft:\n' > /image/etc/passwd \
  && printf 'root:x:0:\nweft:x:1337:\n' > /image/etc/group \
  && chmod 1777 /image/tmp && chown 1337:1337 /image/var/lib/weft /image/var/run/weft \
  && mv /weft /image/weft

FROM debian:bookworm-slim AS init
RUN apt-get update && apt-get install -y --no-install-recommends iptables nftables libatomic1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/weft /weft
RUN ln -s "$(/weft/node_modules/.bin/node -p process.execPath)" /usr/local/bin/node \
  && ln -s /weft/cli/weft.mjs /usr/local/bin/weft
ENTRYPOINT ["weft"]
CMD ["init"]

FROM scratch AS weft
COPY --from=build /image /
ENV PATH=/usr/local/bin HOME=/var/lib/weft SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 1337:1337
WORKDIR /var/lib/weft
HEALTHCHECK --interval=5s --timeout=10s --start-period=2m --retries=6 CMD ["weft", "wait", "--timeout-s", "1"]
ENTRYPOINT ["weft"]
CMD ["--help"]
