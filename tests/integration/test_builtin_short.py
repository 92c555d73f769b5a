# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: connections that are over before they have begun."""
from netkit import serving
from netlab import GATEWAY, start_net


def test_a_server_that_closes_at_once_is_connected_all_the_same(rk):
    """Its socket is in CLOSE_WAIT on our side before the gateway has looked at it."""
    net = start_net(rk)
    code = """
import socket, threading
failed = []
def work():
    for _ in range(50):
        try:
            with socket.create_connection(tuple(args), timeout=5) as client:
                client.recv(1)
        except ConnectionResetError:
            pass
        except OSError as error:
            failed.append(str(error))
all = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in all]
[t.join() for t in all]
result = failed
"""
    with serving(lambda conn: None, backlog=128) as port:
        assert net.inside.python(code, GATEWAY, port) == []
