# Potoroo's command line with what it needs, and nothing else of this repository: `docker build -t potoroo .`
# An application goes on top of it: docs/deployment.md. The root file system may be read-only; state lies in the volume.
ARG NODE_IMAGE=node:24-bookworm-slim

# What is compiled.
FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.base.json ./
COPY wasm/ wasm/
COPY src/ src/
COPY topics/ topics/
COPY examples/ examples/
COPY create-potoroo/ create-potoroo/
RUN npm run build

# What it needs at run time. Native modules bring their binaries: nothing is compiled, so no script has to run.
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
# Node as process 1 takes no signal in its first tenth of a second. tini does, and ends with Node's exit code.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o 1000 -g 1000 -m 0700 /var/lib/potoroo
WORKDIR /app
COPY --from=dependencies /build/node_modules/ node_modules/
COPY --from=build /build/package.json node_modules/potoroo/
COPY --from=build /build/dist/ node_modules/potoroo/dist/
# Of the bundled application, and of most others.
COPY --from=build /build/node_modules/zod/ node_modules/zod/
# Of an application: `import … from 'potoroo'` in /app finds the package above.
RUN echo '{ "type": "module" }' > package.json
# State directories are /var/lib/potoroo/<application>/<name>.
ENV NODE_ENV=production XDG_STATE_HOME=/var/lib
VOLUME /var/lib/potoroo
# By number: so Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 9464 9465
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/node_modules/potoroo/dist/cli/main.js"]
CMD ["--help"]
