"""kill -9 of everything beside the guest, one after the other and all at once, again and again.

CASEMENT_ROUNDS says how many rounds; 100 take a few minutes.
"""
import os
import signal
import unittest

import harness
import rounds

ROUNDS = int(os.environ.get("CASEMENT_ROUNDS", "8"))
FAULTS = ("libvirtd", "all four at once", "virtlogd", "casement-guest", "dnsmasq")


class RoundsTest(harness.SystemTest):
    def test_rounds(self):
        # A guest whose QEMU dies is booted again, so that the last part can show that the checks notice.
        guest = self.container(environment={**rounds.ENVIRONMENT, "CASEMENT_GUEST_ON_CRASH": "restart"}).start()
        guest.wait_ready()
        same = rounds.Rounds(guest)
        self.addCleanup(same.close)
        worst = dict.fromkeys(FAULTS, 0.0)
        count = dict.fromkeys(FAULTS, 0)
        for number in range(ROUNDS):
            fault = FAULTS[number % len(FAULTS)]
            with self.subTest(round=number, fault=fault):
                seconds, states = same.inflict(rounds.FAULTS[fault])
                self.assertEqual(set(states), {"degraded", "ready"}, states)
                self.assertEqual(same.problems(), [], guest.logs())
                worst[fault] = max(worst[fault], seconds)
                count[fault] += 1
        for fault in FAULTS:
            print(f"kill -9 of {fault}: {count[fault]} rounds survived, ready again after {worst[fault]:.2f} s at worst")
        self.the_checks_notice(guest, same)
        self.a_power_off_is_noticed(guest)

    def the_checks_notice(self, guest, same):
        """Killed like a daemon, QEMU comes back like one, and nothing is as it was."""
        _, states = same.inflict(("qemu-system-x86_64",))
        self.assertIn("degraded", states)
        self.assertEqual([problem.partition(":")[0] for problem in same.problems()],
                         ["QEMU's process is another one", "the guest has booted again", "the connection is broken"])

    def a_power_off_is_noticed(self, guest):
        """Right after the last reconnect: what the guest says must be heard again before the state is ready."""
        same = rounds.Rounds(guest)
        try:
            same.inflict(rounds.FAULTS["libvirtd"])
        finally:
            same.close()
        guest.control("poweroff")
        self.assertEqual(guest.wait_exit(60), 0, guest.logs())
        self.assertNotIn("power button pressed", guest.events())


if __name__ == "__main__":
    unittest.main()
