# SPDX-License-Identifier: MIT
#
# Stand-in for OpenWrt's include/package.mk and package-defaults.mk (openwrt/openwrt): BuildPackage
# makes targets of what a package defines. DESTDIR is where install puts the files, BUILD_DIR where
# things are built.

PKG_BUILD_DIR ?= $(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
MAKE_FLAGS     = CC="$(TARGET_CC)" AR="$(TARGET_AR)"

define Build/Compile
	CFLAGS="-Os -pipe $(EXTRA_CFLAGS)" LDFLAGS="$(EXTRA_LDFLAGS)" \
	    $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS)
endef

define BuildPackage
$(eval $(Package/$(1)))

prepare:
	$$(Build/Prepare)
compile:
	$$(Build/Compile)
install:
	$$(call Package/$(1)/install,$$(DESTDIR))
show:
	@printf '%s\n' 'version $(PKG_VERSION)-r$(PKG_RELEASE)' 'licence $(PKG_LICENSE)' \
	    'licence-file $(PKG_LICENSE_FILES)' 'depends $(DEPENDS)' \
	    'conffiles $(strip $(Package/$(1)/conffiles))'
endef
