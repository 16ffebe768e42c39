# SPDX-License-Identifier: MIT
#
# Stand-in for OpenWrt's rules.mk (openwrt/openwrt): the variables a package's Makefile uses.

INCLUDE_DIR := $(TOPDIR)/include
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
CP          := cp -fpR
TARGET_CC   := gcc
TARGET_AR   := gcc-ar
