// SPDX-License-Identifier: Apache-2.0
#include "relay/worker.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

namespace rk::relay {

Worker::Worker(Shared& shared, Poller poller, unsigned number, ChannelServer* channel)
    : shared_(shared),
      poller_(std::move(poller)),
      number_(number),
      channel_(channel),
      tcp_(shared, poller_, number),
      udp_(shared, poller_, number) {}

Result<void> Worker::prepare(const GuestMaker& make_guest) {
    int code = poller_.add(shared_.mailboxes.at(number_)->fd(), EPOLLIN, {.kind = Kind::kMailbox});
    if (code == 0 && channel_ != nullptr) {
        code = poller_.add(channel_->fd(), EPOLLIN | EPOLLRDHUP, {.kind = Kind::kChannel});
    }
    if (code != 0) {
        return fail(errno_error(code, "watch the relay's channel"));
    }
    if (!make_guest) {
        return {};
    }
    guest_ = TRY(make_guest(shared_, poller_, number_));
    return guest_->prepare();
}

Result<void> Worker::run() {
    now_ = now_ms();
    while (!stopped_) {
        const auto events = TRY(poller_.wait(timeout()));
        now_ = now_ms();
        for (const epoll_event& event : events) {
            dispatch(event);
        }
        tcp_.end_of_batch(now_);
        udp_.end_of_batch(now_);
        if (guest_ != nullptr) {
            guest_->end_of_batch(now_);
        }
        if (channel_ != nullptr) {
            channel_->flush();
            stopped_ = stopped_ || channel_->ended();
        }
    }
    return channel_ != nullptr ? channel_->outcome() : Result<void>{};
}

int Worker::timeout() const {
    std::int64_t due = -1;
    for (const std::int64_t candidate :
         {tcp_.next_due(), udp_.next_due(), channel_ != nullptr ? channel_->next_due() : -1,
          guest_ != nullptr ? guest_->next_due() : -1}) {
        if (candidate >= 0 && (due < 0 || candidate < due)) {
            due = candidate;
        }
    }
    if (due < 0) {
        return -1;
    }
    return static_cast<int>(
        std::clamp<std::int64_t>(due - now_ms(), 0, std::numeric_limits<int>::max()));
}

void Worker::dispatch(const epoll_event& event) {
    const Tag tag = Tag::unpack(event.data.u64);
    switch (tag.kind) {
        case Kind::kChannel:
            channel_->on_request();
            break;
        case Kind::kMailbox:
            obey();
            break;
        case Kind::kListener:
            tcp_.on_listener(tag);
            break;
        case Kind::kClient:
        case Kind::kBackend:
            tcp_.on_socket(tag, event.events);
            break;
        case Kind::kUdpPort:
            udp_.on_port(tag, now_);
            break;
        case Kind::kUdpFlow:
            udp_.on_flow(tag, now_);
            break;
        case Kind::kQueue:
        case Kind::kHeldCall:
        case Kind::kNatFront:
        case Kind::kNatInside:
        case Kind::kNatOutside:
        case Kind::kEcho:
            guest_->on_event(tag, event.events, now_);  // nobody else registers these
            break;
    }
}

void Worker::obey() {
    for (Command& waiting : shared_.mailboxes.at(number_)->take()) {
        // Out of the batch, so that it ends here: an AddCommand that lived as long as the batch
        // would hold its socket open when a RemoveCommand behind it reports that all is closed.
        Command command = std::move(waiting);
        std::visit([this](auto&& one) { obey(std::forward<decltype(one)>(one)); },
                   std::move(command));
    }
}

void Worker::obey(AddCommand&& command) {
    const Port& port = *command.port;
    int code = 0;
    if (port.transport == wire::Transport::kTcp) {
        code = tcp_.add(command.port);
    } else if (port.owner == number_) {
        code = udp_.add(command.port);
    }
    if (code != 0) {
        command.port->totals->of(number_).errors.add(1);
        shared_.log(LogLevel::kWarning,
                    fmt::format("port {}: cannot be watched: {}", port.id, errno_text(code)));
    }
}

void Worker::obey(RemoveCommand&& command) {
    tcp_.remove(command.id);
    udp_.remove(command.id);
    if (command.left->fetch_sub(1) == 1) {
        shared_.mailboxes.front()->post(RemovedCommand{command.request});
    }
}

void Worker::obey(RemovedCommand&& command) {
    channel_->removed(command.request);
}

void Worker::obey(AdoptCommand&& command) {
    tcp_.adopt(std::move(command));
}

void Worker::obey(LogCommand&& command) {
    channel_->log(command.level, std::move(command.text));
}

void Worker::obey(StopCommand&& /*command*/) {
    stopped_ = true;
}

}  // namespace rk::relay
