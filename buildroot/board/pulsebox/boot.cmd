# Which slot to boot: RAUC's words (BOOT_ORDER, BOOT_A_LEFT, BOOT_B_LEFT), as RAUC's U-Boot backend reads and writes
# them. A slot has three tries; each is counted and stored before it is made, so that whatever hangs is counted too.
# The system that finds itself healthy gives its slot three tries again (rauc status mark-good).
#
# U-Boot's shell (hush): no functions, no break. What is set without setenv lives for this script only.

test -n "${devtype}" || devtype=mmc
test -n "${devnum}" || devnum=0

test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

# Both used up: there is nobody to ask, and a box that stops is worth less than one that goes on trying. An environment
# that names no slot ends here too.
slots=
for try in ${BOOT_ORDER}; do
	if test "${try}" = A -a ${BOOT_A_LEFT} -gt 0; then slots=some; fi
	if test "${try}" = B -a ${BOOT_B_LEFT} -gt 0; then slots=some; fi
	if test "${try}" = A -o "${try}" = B; then named=some; fi
done
if test -z "${named}"; then setenv BOOT_ORDER "A B"; fi
if test -z "${slots}"; then
	echo "Pulsebox: no slot has a try left: all over again"
	setenv BOOT_A_LEFT 3
	setenv BOOT_B_LEFT 3
fi

slot=
for try in ${BOOT_ORDER}; do
	if test -z "${slot}"; then
		if test "${try}" = A -a ${BOOT_A_LEFT} -gt 0; then
			slot=A
			part=2
			setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
			left=${BOOT_A_LEFT}
		fi
		if test "${try}" = B -a ${BOOT_B_LEFT} -gt 0; then
			slot=B
			part=3
			setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
			left=${BOOT_B_LEFT}
		fi
	fi
done
saveenv

# The firmware's device tree is passed on as it is: it knows the memory, the MAC address and the overlays of config.txt.
# Its arguments come first, ours after them, and the later one counts.
fdt addr ${fdt_addr}
fdt get value fwargs /chosen bootargs
# rootwait: a kernel that finds no root must end, so that the try is over; a card is there within seconds.
# cgroup_enable: Raspberry Pi's own arguments turn the memory controller off, and units would have no limit.
setenv bootargs "${fwargs} root=/dev/mmcblk0p${part} rootfstype=squashfs ro rootwait=60 panic=10 cgroup_enable=memory rauc.slot=${slot}"

echo "Pulsebox: slot ${slot} from partition ${part}, ${left} tries left after this one"
load ${devtype} ${devnum}:${part} ${kernel_addr_r} boot/Image && booti ${kernel_addr_r} - ${fdt_addr}

# This slot's kernel could not be read or started. The next start counts on.
echo "Pulsebox: slot ${slot} does not start"
sleep 2
reset
