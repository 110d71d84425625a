"""Two tenants with the same file names and the same bytes never meet."""

import unittest
import uuid

import harness
import pdf

SHARED = pdf.document(
    [
        ["# The common manual", "Both tenants hold this very file. " * 20],
        ["# Second page", "With a second page. " * 20],
    ]
)
NAMES = ("manual.pdf", "deep/folder/manual.pdf", "Ümlaut & space+plus.pdf")


def secret(word):
    return pdf.document([["# A private paper", f"The {word} is known to one tenant only. " * 20]])


class Tenants(unittest.TestCase):
    """The tests build on one another, in order."""

    @classmethod
    def setUpClass(cls):
        world = cls.world = cls.enterClassContext(harness.open_world())
        for tenant, word in enumerate(("hawthorn", "juniper")):
            world.add_tenant()
            for name in NAMES:
                world.put(world.key(tenant, name), SHARED)
            world.put(world.key(tenant, "private.pdf"), secret(word))
        world.start_worker()
        world.settle(until=lambda: len(world.documents()) == 8)

    def test_1_each_has_documents_chunks_and_vectors_of_its_own(self):
        audit = self.world.audit()
        self.assertEqual([], audit.faults)
        namespaces = [harness.namespace_of(tenant) for tenant in self.world.tenants]
        self.assertEqual(set(namespaces), set(audit.vectors))
        one, two = (set(audit.vectors[name]) for name in namespaces)
        self.assertEqual((len(one), set()), (len(two), one & two))
        for tenant, (own, other) in zip(
            self.world.tenants, (("hawthorn", "juniper"), ("juniper", "hawthorn"))
        ):
            text = " ".join(
                chunk["content"]
                for chunk in audit.rows.chunks
                if chunk["namespace"] == harness.namespace_of(tenant)
            )
            self.assertIn(own, text)
            self.assertNotIn(other, text)

    def test_2_a_search_never_leaves_its_tenant(self):
        for tenant, (own, other) in zip(
            self.world.tenants, (("hawthorn", "juniper"), ("juniper", "hawthorn"))
        ):
            for word in (own, other):
                done = self.world.millrace("search", "--json", tenant, f"Who knows of the {word}?")
                self.assertEqual(0, done.returncode, done.stderr)
                matches = done.stdout.replace(f"Who knows of the {word}?", "")
                self.assertNotIn(other, matches)
        nobody = self.world.millrace("search", "--json", str(uuid.uuid4()), "manual")
        self.assertNotEqual(0, nobody.returncode)
        self.assertNotIn("common manual", nobody.stdout)

    def test_3_what_one_removes_or_changes_stays_with_the_other(self):
        before = self.world.audit()
        other = harness.namespace_of(self.world.tenants[1])
        kept = {name for name in before.vectors[other]}
        self.world.delete(self.world.key(0, NAMES[0]))
        self.world.put(self.world.key(0, NAMES[1]), secret("rowan"))
        self.world.settle()
        after = self.world.audit()
        self.assertEqual([], after.faults)
        self.assertEqual(kept, set(after.vectors[other]))
        self.assertEqual("success", self.world.documents()[self.world.key(1, NAMES[0])][0])


if __name__ == "__main__":
    harness.main()
