################################################################################
#
# pulsebox
#
################################################################################

# Cargo builds the program, with the same settings for the appliance and for
# everybody else: `make binary` in the repository this tree is part of. Here it
# is only put in its place. There is nothing to download, so nothing to hash.
PULSEBOX_REPOSITORY = $(BR2_EXTERNAL_PULSEBOX_PATH)/..
PULSEBOX_VERSION = $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' $(PULSEBOX_REPOSITORY)/Cargo.toml)
PULSEBOX_SOURCE =
PULSEBOX_LICENSE = MIT or Apache-2.0
PULSEBOX_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE licence.md

define PULSEBOX_EXTRACT_CMDS
	test -n "$(PULSEBOX_BINARY)" || \
		{ echo "PULSEBOX_BINARY is not set: it is the path of the built program" >&2; exit 1; }
	$(INSTALL) -D -m 0755 $(PULSEBOX_BINARY) $(@D)/pulsebox
	cp $(PULSEBOX_REPOSITORY)/LICENSE-MIT $(PULSEBOX_REPOSITORY)/LICENSE-APACHE \
		$(PULSEBOX_REPOSITORY)/docs/licence.md $(@D)
endef

define PULSEBOX_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/pulsebox $(TARGET_DIR)/usr/bin/pulsebox
endef

$(eval $(generic-package))
