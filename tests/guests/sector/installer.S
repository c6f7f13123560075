# A medium that installs: its boot image is this sector, filled up to a sector of a CD, and the disk behind it. That disk
# is copied to the first hard disk, and the machine reset: xorriso's -boot-info-table says where on the CD it is. The disk's
# boot sector comes last, as with every set-up: a disk that was cut short does not boot.

	.set	AT_ONCE, 16		# CD sectors: 32 kB
	.set	BUFFER, 0x1000		# segment
	.set	RESET, 0xcf9

	.include "sector.inc"
	.globl	start
start:	ljmp	$0, $begin
	.org	12			# the table, from byte 8 on
lba:	.long	0			# of the boot image, in CD sectors
bytes:	.long	0			# of it
	.org	64

begin:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$start, %sp
	cld
	sti
	movb	%dl, cd
	print	"installer: up"
	movl	bytes, %edi
	shrl	$11, %edi
	decl	%edi			# CD sectors of the disk
copy:	subl	$AT_ONCE, %edi
	js	done
	movb	cd, %dl
	movb	$0x42, %ah
	movl	lba, %ebx
	leal	1(%ebx, %edi), %ebx
	movw	$AT_ONCE, %cx
	call	transfer
	movb	$0x80, %dl
	movb	$0x43, %ah
	leal	(,%edi, 4), %ebx	# sectors of the disk have 512 bytes
	movw	$AT_ONCE * 4, %cx
	call	transfer
	jmp	copy
done:
	print	"installer: done"
	movw	$RESET, %dx
	movb	$6, %al
	outb	%al, %dx
stop:	hlt
	jmp	stop

# %cx sectors from %ebx on of drive %dl, from or to the buffer.
transfer:
	movw	%cx, count
	movl	%ebx, where
	movb	$0, %al
	movw	$packet, %si
	int	$0x13
	jc	2f
	ret
2:	print	"installer: failed"
	jmp	stop

packet:	.byte	16, 0
count:	.word	0
	.word	0, BUFFER
where:	.long	0, 0
cd:	.byte	0
	sector_end
