// SPDX-License-Identifier: Apache-2.0
//
// The client's half of the codec: bodies become the library's tree, in which anything unexpected
// reads as missing. The server's half does not need it, and rootlesskit does not link it.
#include "api/codec.h"
#include "api/codec_keys.h"
#include "api/egress_codec.h"
#include "api/json_scan.h"

#include <nlohmann/json.hpp>

#include <type_traits>
#include <utility>

namespace rk::api {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value, int indent = -1) {
    return escape_like_go(value.dump(indent, ' ', false, Json::error_handler_t::replace));
}

// The elements of an array; none of anything else.
const Json& elements(const Json& value) {
    static const Json none = Json::array();
    return value.is_array() ? value : none;
}

Result<Json> parse_tree(std::string_view body) {
    const std::string_view value = TRY(first_json_value(body));
    Json tree = Json::parse(value, nullptr, false);
    if (tree.is_discarded()) {
        return fail("invalid JSON");
    }
    return tree;
}

template <typename T>
T get(const Json& object, const char* key) {
    T value{};
    if (object.is_object()) {
        const auto found = object.find(key);
        if (found != object.end()) {
            try {
                value = found->template get<T>();
            } catch (const Json::exception& /*another type*/) {
                return T{};
            }
        }
    }
    return value;
}

Json member(const Json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object.at(key) : Json();
}

model::PortFields read_spec(const Json& object) {
    model::PortFields spec;
    spec.proto = get<std::string>(object, "proto");
    spec.parent_ip = get<std::string>(object, "parentIP");
    spec.parent_port = get<std::int64_t>(object, "parentPort");
    spec.child_port = get<std::int64_t>(object, "childPort");
    spec.child_ip = get<std::string>(object, "childIP");
    spec.parent_port_end = get<std::int64_t>(object, "parentPortEnd");
    spec.child_port_end = get<std::int64_t>(object, "childPortEnd");
    return spec;
}

// For the lists of codec_keys.h; borrows the object.
auto reader(const Json& object) {
    return [&object](const char* key, auto& value) {
        value = get<std::remove_reference_t<decltype(value)>>(object, key);
    };
}

PortRecord read_record(const Json& object) {
    return {get<std::int64_t>(object, "id"), read_spec(member(object, "spec"))};
}

EgressRecord read_egress(const Json& object) {
    return {get<std::int64_t>(object, "id"), get<std::string>(object, "action"),
            get<std::string>(object, "rule"), get<std::string>(object, "source"),
            get<std::uint64_t>(object, "hits")};
}

}  // namespace

Result<Info> decode_info(std::string_view body) {
    const Json tree = TRY(parse_tree(body));
    Info info;
    info.api_version = get<std::string>(tree, "apiVersion");
    info.version = get<std::string>(tree, "version");
    info.state_dir = get<std::string>(tree, "stateDir");
    info.child_pid = get<int>(tree, "childPID");
    if (const Json network = member(tree, "networkDriver"); network.is_object()) {
        info.network =
            model::NetworkInfo{get<std::string>(network, "driver"),
                               get<std::vector<std::string>>(network, "dns"),
                               get<std::string>(network, "childIP"),
                               get<bool>(network, "dynamicChildIP"),
                               get<bool>(network, "ipv6"),
                               get<std::map<std::string, std::string>>(network, "extra")};
        if (const Json helper = member(network, "helper"); helper.is_object()) {
            each_helper_value(info.helper.emplace(), reader(helper));
        }
    }
    if (const Json port = member(tree, "portDriver"); port.is_object()) {
        info.port = drivers::PortDriverInfo{get<std::string>(port, "driver"),
                                            get<std::vector<std::string>>(port, "protos"),
                                            get<bool>(port, "disallowLoopbackChildIP"),
                                            get<std::map<std::string, std::string>>(port, "extra")};
    }
    return info;
}

Result<PortRecord> decode_status(std::string_view body) {
    return read_record(TRY(parse_tree(body)));
}

Result<std::vector<PortRecord>> decode_statuses(std::string_view body) {
    const Json tree = TRY(parse_tree(body));
    std::vector<PortRecord> records;
    for (const Json& one : elements(tree)) {
        records.push_back(read_record(one));
    }
    return records;
}

std::optional<std::string> decode_error(std::string_view body) {
    const auto tree = parse_tree(body);
    if (!tree || !tree->is_object() || !tree->contains("message")) {
        return std::nullopt;
    }
    return get<std::string>(*tree, "message");
}

Result<std::string> indent_json(std::string_view body) {
    constexpr int kIndent = 4;
    return dump(TRY(parse_tree(body)), kIndent);
}

Result<std::vector<std::string>> split_array(std::string_view body) {
    const Json tree = TRY(parse_tree(body));
    std::vector<std::string> parts;
    for (const Json& one : elements(tree)) {
        parts.push_back(dump(one));
    }
    return parts;
}

Result<Stats> decode_stats(std::string_view body) {
    const Json tree = TRY(parse_tree(body));
    const Json relay = member(tree, "relay");
    Stats stats;
    each_health_value(stats.relay, reader(relay));
    const Json ports = member(tree, "ports");
    for (const Json& one : elements(ports)) {
        PortStats port;
        port.counters.id = get<int>(one, "id");
        port.spec = read_spec(member(one, "spec"));
        each_counter(port.counters, reader(one));
        stats.ports.push_back(std::move(port));
    }
    if (const Json network = member(tree, "network"); network.is_object()) {
        model::each_gateway_counter(stats.network.emplace(), reader(network));
    }
    return stats;
}

Result<EgressRecord> decode_egress(std::string_view body) {
    return read_egress(TRY(parse_tree(body)));
}

Result<std::vector<EgressRecord>> decode_egress_list(std::string_view body) {
    const Json tree = TRY(parse_tree(body));
    std::vector<EgressRecord> records;
    for (const Json& one : elements(tree)) {
        records.push_back(read_egress(one));
    }
    return records;
}

}  // namespace rk::api
