# A thin face over the real tools. `scripts/need` installs what a target lacks and says so.
.PHONY: help run test lint bench

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run:  ## Pulsebox on a dozen simulated cameras in every mood; prints the page's address
	@scripts/need run
	@scripts/run-demo

test:  ## every test, also those against real RTSP servers
	@scripts/need test
	cargo test --workspace --locked --no-fail-fast

lint:  ## formatting, clippy, licences, shell scripts, links in the documentation
	@scripts/need lint
	scripts/lint

bench:  ## CPU, memory, disk and live views beside ffprobe, ffmpeg and OpenCV; writes docs/measured.md
	@scripts/need bench
	/usr/bin/python3 scripts/bench.py
	/usr/bin/python3 scripts/bench-live.py
