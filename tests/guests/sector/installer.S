# A medium that installs: its boot image is this sector, filled up to a sector of a CD, and the disk behind it. That disk
# is copied to the first hard disk, and the machine reset: xorriso's -boot-info-table says where on the CD it is.

	.set	CD_SECTOR, 2048
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
	movl	bytes, %ebp
	shrl	$11, %ebp
	decl	%ebp			# CD sectors to go
	movl	lba, %ebx
	incl	%ebx			# from here
	xorl	%edi, %edi		# to here, in sectors of the disk
copy:	movl	$AT_ONCE, %ecx
	cmpl	%ecx, %ebp
	jae	1f
	movl	%ebp, %ecx
1:	movb	cd, %dl
	movb	$0x42, %ah
	movl	%ebx, where
	call	transfer
	addl	%ecx, %ebx
	subl	%ecx, %ebp
	shll	$2, %ecx
	movb	$0x80, %dl
	movb	$0x43, %ah
	movl	%edi, where
	call	transfer
	addl	%ecx, %edi
	testl	%ebp, %ebp
	jnz	copy
	print	"installer: done"
	movw	$RESET, %dx
	movb	$6, %al
	outb	%al, %dx
stop:	hlt
	jmp	stop

# %cx sectors of drive %dl, from or to the buffer.
transfer:
	movw	%cx, count
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
