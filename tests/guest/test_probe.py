"""What shows that a guest is ready, [health] probe, of guests that run."""
import signal
import unittest

import world

FAST = {"CASEMENT_HEALTH_RDP_INTERVAL": "200ms", "CASEMENT_HEALTH_RDP_FAILURES": "3"}


class ProbeTest(world.WorldTest):
    def begin(self, probe, **env):
        self.world.put_base("mini")
        return self.start(CASEMENT_HEALTH_PROBE=probe, **FAST, **env)

    def never_about_rdp(self, keeper):
        self.assertNotIn("RDP", keeper.fields())
        self.assertNotIn("RDP ", keeper.log())

    def test_a_tcp_port_answers_while_rdp_does_not(self):
        keeper = self.begin("tcp:7")
        keeper.wait_field("PROBE_STATE", "answering")
        self.assertEqual(keeper.fields()["PROBE"], "tcp:7")
        self.world.control("rdp off")
        self.assertEqual(keeper.fields()["STATUS"], "the guest runs; TCP port 7 answers")
        self.never_about_rdp(keeper)
        self.assertIn("ok", self.world.control("uptime"))
        self.assertEqual(keeper.fields()["PROBE_STATE"], "answering")
        self.stop_cleanly(keeper)

    def test_a_tcp_port_that_stops_answering_is_reported(self):
        keeper = self.begin("tcp:3389")
        keeper.wait_field("PROBE_STATE", "answering")
        self.world.control("rdp off")
        keeper.wait_field("PROBE_STATE", "closed", 60)
        self.assertEqual(keeper.fields()["GUEST_STATE"], "running")
        self.assertEqual(keeper.fields()["STATUS"], "the guest runs; TCP port 3389 does not answer")
        self.assertIn("TCP port 3389 does not answer any more", keeper.log())
        self.world.control("rdp on")
        keeper.wait_field("PROBE_STATE", "answering", 60)
        self.never_about_rdp(keeper)
        self.stop_cleanly(keeper)

    def test_the_guest_agent(self):
        keeper = self.begin("agent")
        keeper.wait_field("PROBE_STATE", "answering")
        self.assertEqual(keeper.fields()["PROBE"], "agent")
        self.assertEqual(keeper.fields()["STATUS"], "the guest runs; the guest agent is connected")
        # What the guest does after it has booted again has to be found out anew.
        self.world.control("reboot")
        keeper.wait_field("BOOTS", "2")
        keeper.wait_field("PROBE_STATE", "answering")
        self.never_about_rdp(keeper)
        # Nobody asked it anything.
        self.assertNotIn("agent asked", self.world.serial())
        self.stop_cleanly(keeper)

    def test_nothing(self):
        self.world.put_image("button", "/images/windows.qcow2")  # which has no network
        keeper = self.start(CASEMENT_HEALTH_PROBE="none")
        keeper.wait_field("GUEST_STATE", "running")
        fields = keeper.fields()
        self.assertEqual((fields["PROBE"], fields["PROBE_STATE"], fields["READY"]), ("none", "unknown", "1"))
        self.assertEqual(fields["STATUS"], "the guest runs")
        self.never_about_rdp(keeper)
        keeper.kill(signal.SIGTERM)
        self.assertEqual(keeper.wait(), 0, keeper.log())

    def test_a_mistake_names_key_value_and_remedy(self):
        keeper = self.start(CASEMENT_HEALTH_PROBE="tcp:0")
        self.assertEqual(keeper.wait(), 78)
        self.assertIn('CASEMENT_HEALTH_PROBE: "tcp:0" has no port from 1 to 65535 behind tcp: write tcp:22, for instance',
                      keeper.log())


if __name__ == "__main__":
    unittest.main()
