# SPDX-License-Identifier: Apache-2.0
# Made from the flags in src/tools; RK_UPDATE_GOLDEN=1 unit_tests makes it again.
complete -c rootlesskit-docker-proxy -f
complete -c rootlesskit-docker-proxy -n 'true' -o container-ip -x -d 'address of the container'
complete -c rootlesskit-docker-proxy -n 'true' -o container-port -x -d 'port of the container'
complete -c rootlesskit-docker-proxy -n 'true' -o host-ip -x -d 'address on the host'
complete -c rootlesskit-docker-proxy -n 'true' -o host-port -x -d 'port on the host'
complete -c rootlesskit-docker-proxy -n 'true' -o proto -x -d 'protocol: tcp, udp or sctp'
complete -c rootlesskit-docker-proxy -n 'true' -o use-listen-fd -d 'descriptor 4 is the socket to listen on'
complete -c rootlesskit-docker-proxy -n 'true' -o help -s h -d 'print this text'
