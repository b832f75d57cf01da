#!/usr/bin/python3
"""expected.json says what Ansible reads in the inventories of single/ and trees/.

  record.py [--check]

Of each inventory: every host with the address that Ansible's ssh would dial, and the sorted hosts of every
group; or null where Ansible refuses it. --check compares with what is recorded and changes nothing; 77 where
Ansible is not installed. Below trees/NAME is one inventory, a file or a directory of sources, and what may
stand beside it.
"""
import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDING = os.path.join(HERE, "expected.json")
BESIDE = {"group_vars", "host_vars"}


def inventories():
    for name in sorted(os.listdir(os.path.join(HERE, "single"))):
        yield f"single/{name}"
    for tree in sorted(os.listdir(os.path.join(HERE, "trees"))):
        (name,) = set(os.listdir(os.path.join(HERE, "trees", tree))) - BESIDE
        yield f"trees/{tree}/{name}"


def reader():
    """A function from a path to what Ansible reads there. ImportError where there is no Ansible."""
    from ansible.errors import AnsibleError
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.loader import connection_loader
    from ansible.vars.manager import VariableManager

    def address(variables):
        ssh = connection_loader.get("ssh", PlayContext(), os.devnull)
        ssh.set_options(var_options=variables)
        return str(ssh.get_option("host"))

    def read(path):
        loader = DataLoader()
        try:
            inventory = InventoryManager(loader=loader, sources=[path])
        except AnsibleError:
            return None
        manager = VariableManager(loader=loader, inventory=inventory)
        hosts = {str(host): address(manager.get_vars(host=host, include_hostvars=False, stage="all"))
                 for host in inventory.get_hosts()}
        return {"hosts": hosts, "groups": {group: sorted(names) for group, names in inventory.get_groups_dict().items()}}

    return read


def text_of(recording):
    """JSON with one inventory on a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(what, sort_keys=True)}" for name, what in sorted(recording.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    with tempfile.TemporaryDirectory() as home:
        # Nothing of the user's own settings counts, and a source that cannot be read is an error.
        config = os.path.join(home, "ansible.cfg")
        with open(config, "w", encoding="utf-8"):
            pass
        os.environ.update(ANSIBLE_CONFIG=config, ANSIBLE_HOME=home,
                          ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1")
        try:
            read = reader()
        except ImportError as error:
            print(f"record.py: Ansible is not installed: {error}")
            return 77
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # its warnings
        text = text_of({name: read(os.path.join(HERE, name)) for name in inventories()})
        sys.stderr = sys.__stderr__
    if "--check" not in sys.argv[1:]:
        with open(RECORDING, "w", encoding="utf-8") as file:
            file.write(text)
        return 0
    with open(RECORDING, encoding="utf-8") as file:
        recorded = file.read()
    differing = [(old, new) for old, new in zip(recorded.splitlines(), text.splitlines()) if old != new]
    for old, new in differing:
        print(f"recorded: {old}\nread now: {new}")
    return 0 if recorded == text else 1


if __name__ == "__main__":
    sys.exit(main())
