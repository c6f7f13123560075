# A guest that says it is there and then never listens to anything, least of all to the power button.

	.include "sector.inc"
	sector_start
	print	"deaf: up"
idle:	hlt
	jmp	idle
	sector_end
