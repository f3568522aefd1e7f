# Production only: no development dependency, hence no embedded database, reaches the image.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The native parts ship as prebuilt binaries; no package gets to run a script.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=4500 \
    UV_THREADPOOL_SIZE=8
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY views views
COPY src src
# docker build --build-arg COMMIT="$(git rev-parse HEAD)" -t cardea .
ARG COMMIT=unknown
RUN echo "$COMMIT" > .commit
USER node
EXPOSE 4500
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
