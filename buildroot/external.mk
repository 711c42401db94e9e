include $(sort $(wildcard $(BR2_EXTERNAL_PULSEBOX_PATH)/package/*/*.mk))
