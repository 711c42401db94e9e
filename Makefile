# A thin face over the real tools. `scripts/need` installs what a target lacks and says so.
.PHONY: help run page test test-rust test-page test-api test-ha vm-test powercut lint bench binary image check-image

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: page  ## Pulsebox on 20 simulated cameras in every mood; prints the page's address
	@scripts/need run
	@scripts/run-demo

page:  ## the page that the daemon embeds, in firmware/ui/dist; does nothing where nothing changed
	@scripts/need page
	@scripts/build-page

test: test-rust test-page test-api vm-test  ## every test but the long ones of vm-test: the daemon's, the page's in a real browser, the API's against its document, real kernels

test-rust: page  ## the daemon's tests, also those against real RTSP servers
	@scripts/need test
	cargo test --workspace --locked --no-fail-fast

test-page: page  ## the page in Chromium, wide and phone-wide; screenshots in target/screenshots
	@scripts/need test-page
	@scripts/test-page

test-api: page  ## schemathesis: does the API do what its own OpenAPI document says
	@scripts/need test-api
	@scripts/check-api --seed 1

test-ha: page  ## the real Home Assistant finds the box and its cameras, over a real broker (the first time fetches 250 MB)
	@scripts/need test-ha
	@scripts/test-ha

vm-test: page  ## real kernel drivers, and the appliance from power-on, in QEMU (the first time fetches 500 MB); IMAGE=pulsebox.img is a true one; ALL=1 runs the long ones too
	@scripts/need test-vm
	@PULSEBOX_VM_IMAGE=$(IMAGE) PULSEBOX_VM_ALL=$(ALL) scripts/test-vm

powercut: page  ## the appliance's power is cut N=100 times at random moments, and nothing that it told of may be lost
	@scripts/need test-vm
	@scripts/test-powercut $(or $(N),100) $(if $(SEED),--seed $(SEED))

lint: page  ## formatting, clippy, types of the page and its tests, licences, shell scripts, names in Python, links in the documentation
	@scripts/need lint
	scripts/lint

bench: page  ## CPU, memory, disk, live views and MQTT beside ffprobe, ffmpeg, OpenCV and mosquitto_pub; writes docs/measured.md
	@scripts/need bench
	/usr/bin/python3 scripts/bench.py
	/usr/bin/python3 scripts/bench-live.py
	/usr/bin/python3 scripts/bench-mqtt.py
	/usr/bin/python3 scripts/bench-leds.py

binary: page  ## the static binary for a 64-bit Pi, target/pulsebox-aarch64 (the first time fetches 100 MB and takes some minutes)
	@scripts/need binary
	@scripts/build-binary

image:  ## the appliance: a card's image, an update bundle, checksums and licences, in target/image/out (hours the first time); BOARD=qemu is that for make vm-test
	@scripts/need image
	scripts/make-image $(BOARD)

check-image:  ## the appliance's tree without building it; more with BUILDROOT=dir UBOOT=dir LINUX=dir
	@scripts/need check-image
	@scripts/check-image
