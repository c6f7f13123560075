# A guest that goes to sleep by itself (ACPI S3) two seconds after its start, and heeds the power button once it was woken.
#
# button.S has what the ports are; SLP_TYP 1 is QEMU's suspend to RAM, if the machine has it. Waking is a reset: SeaBIOS
# finds no place to go on at and boots the disk again. What tells the second start from the first is a byte of the CMOS memory
# that nobody else uses, and that a reset leaves alone.

	.set	PM1_STATUS, 0x600
	.set	PM1_ENABLE, 0x602
	.set	PM1_CONTROL, 0x604
	.set	PWRBTN, 0x100
	.set	SLEEP, 0x2400
	.set	SLP_EN, 0x2000
	.set	CMOS_INDEX, 0x70
	.set	CMOS_DATA, 0x71
	.set	SLEPT, 0x7e
	.set	YES, 0x5a

# Let the data port be the byte's.
.macro cmos_byte
	movb	$SLEPT, %al
	outb	%al, $CMOS_INDEX
.endm

	.include "sector.inc"
	sector_start
	cmos_byte
	inb	$CMOS_DATA, %al
	cmpb	$YES, %al
	je	awake
	cmos_byte
	movb	$YES, %al
	outb	%al, $CMOS_DATA
	print	"sleeper: up"
	movw	$36, %cx		# ticks of the timer
1:	hlt
	loop	1b
	movw	$PM1_CONTROL, %dx
	movw	$SLEEP, %ax
	outw	%ax, %dx
2:	hlt
	jmp	2b
awake:	cmos_byte
	xorb	%al, %al
	outb	%al, $CMOS_DATA
	movw	$PM1_ENABLE, %dx
	movw	$PWRBTN, %ax
	outw	%ax, %dx
	print	"sleeper: awake"
wait:	hlt
	movw	$PM1_STATUS, %dx
	inw	%dx, %ax
	testw	$PWRBTN, %ax
	jz	wait
	print	"sleeper: pressed"
	movw	$PM1_CONTROL, %dx
	movw	$SLP_EN, %ax
	outw	%ax, %dx
stop:	hlt
	jmp	stop
	sector_end
