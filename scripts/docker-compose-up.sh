#!/usr/bin/env bash
# 用 docker-compose 启动 Trade Monitor，并等到它就绪。参数原样交给 `up -d`，如 --build。
# Starts Trade Monitor by docker-compose and waits until it is ready. Arguments
# go to `up -d` as they are: --build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ready_wait=60 # seconds

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

if command -v docker-compose >/dev/null 2>&1; then
  compose=(docker-compose)
elif docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
else
  fail "需要 docker-compose 1.29 或 docker compose v2 (docker-compose 1.29 or docker compose v2 is needed)"
fi

[ -e .env ] || say "没有 .env，使用默认配置：不会通知任何群。要通知，先 cp .env.example .env 并填写 WECHAT_WEBHOOK_URL
(no .env: the defaults hold and nobody is told; cp .env.example .env and fill WECHAT_WEBHOOK_URL in)"

"${compose[@]}" up -d "$@"

deadline=$((SECONDS + ready_wait))
until "${compose[@]}" exec -T trade-monitor trade-monitor healthcheck </dev/null >/dev/null 2>&1; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    "${compose[@]}" logs --tail=30 trade-monitor >&2
    fail "Trade Monitor 在 ${ready_wait} 秒内没有就绪，日志见上 (not ready within ${ready_wait} s; its log is above)"
  fi
  sleep 1
done

say "Trade Monitor 已就绪 (ready): http://$("${compose[@]}" port trade-monitor 5005)"
