# The smallest guest that heeds the power button.
#
# SeaBIOS puts the ACPI power management block of QEMU's pc and q35 machines at port 0x600: PM1 status, PM1 enable (+2)
# and PM1 control (+4). QEMU latches a press in the status register only while the enable bit is set. SLP_EN with SLP_TYP
# 0 is QEMU's soft off. The sector looks at every tick of the timer (18 a second) and sleeps between them.

	.set	PM1_STATUS, 0x600
	.set	PM1_ENABLE, 0x602
	.set	PM1_CONTROL, 0x604
	.set	PWRBTN, 0x100
	.set	SLP_EN, 0x2000

	.include "sector.inc"
	sector_start
	movw	$PM1_ENABLE, %dx
	movw	$PWRBTN, %ax
	outw	%ax, %dx
	print	"button: up"
wait:	hlt
	movw	$PM1_STATUS, %dx
	inw	%dx, %ax
	testw	$PWRBTN, %ax
	jz	wait
	print	"button: pressed"
	movw	$PM1_CONTROL, %dx
	movw	$SLP_EN, %ax
	outw	%ax, %dx
stop:	hlt
	jmp	stop
	sector_end
