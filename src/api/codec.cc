// SPDX-License-Identifier: Apache-2.0
//
// The server's half. Only this file, egress_codec.cc and client_codec.cc include the JSON library.
// What a peer sends goes through its SAX interface: a spec is flat, so nothing is built that the
// peer could make deep.
#include "api/codec.h"

#include "api/codec_keys.h"
#include "api/json_scan.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace rk::api {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& value) {
    return escape_like_go(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

template <typename T>
void put_unless_empty(Json& object, const char* key, const T& value) {
    if (value != T{}) {
        object[key] = value;
    }
}

Json spec_json(const model::PortFields& spec) {
    Json object = Json::object();
    put_unless_empty(object, "proto", spec.proto);
    put_unless_empty(object, "parentIP", spec.parent_ip);
    put_unless_empty(object, "parentPort", spec.parent_port);
    put_unless_empty(object, "childPort", spec.child_port);
    put_unless_empty(object, "childIP", spec.child_ip);
    put_unless_empty(object, "parentPortEnd", spec.parent_port_end);
    put_unless_empty(object, "childPortEnd", spec.child_port_end);
    return object;
}

Json status_json(const model::PortStatus& status) {
    Json object = Json::object();
    object["id"] = status.id;
    object["spec"] = spec_json(fields_of(status.spec));
    return object;
}

Json network_json(const model::NetworkInfo& network,
                  const std::optional<model::HelperHealth>& helper) {
    Json object = Json::object();
    object["driver"] = network.driver;
    put_unless_empty(object, "dns", network.dns);
    put_unless_empty(object, "childIP", network.child_ip);
    put_unless_empty(object, "dynamicChildIP", network.dynamic_child_ip);
    put_unless_empty(object, "ipv6", network.ipv6);
    put_unless_empty(object, "extra", network.extra);
    if (helper) {
        Json& health = object["helper"] = Json::object();
        each_helper_value(*helper,
                          [&](const char* key, const auto& value) { health[key] = value; });
    }
    return object;
}

Json port_driver_json(const drivers::PortDriverInfo& port) {
    Json object = Json::object();
    object["driver"] = port.driver;
    object["protos"] = port.protos;
    put_unless_empty(object, "disallowLoopbackChildIP", port.disallow_loopback_child_ip);
    put_unless_empty(object, "extra", port.extra);
    return object;
}

// ---- What a client of POST sends ----

enum class Field { kProto, kParentIp, kParentPort, kChildPort, kChildIp, kParentEnd, kChildEnd };
struct FieldName {
    std::string_view name;
    Field field;
    bool is_text;
};
constexpr std::array<FieldName, 7> kFields = {{
    {"proto", Field::kProto, true},
    {"parentIP", Field::kParentIp, true},
    {"parentPort", Field::kParentPort, false},
    {"childPort", Field::kChildPort, false},
    {"childIP", Field::kChildIp, true},
    {"parentPortEnd", Field::kParentEnd, false},
    {"childPortEnd", Field::kChildEnd, false},
}};

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_but_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

// Go goes on after a value of the wrong type and reports the first one at the end.
class SpecReader final : public nlohmann::json_sax<Json> {
 public:
    [[nodiscard]] Result<model::PortFields> result() && {
        if (!problem_.empty()) {
            return fail(Error{problem_, 0});
        }
        return std::move(spec_);
    }

    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return mismatch("bool"); }
    bool number_integer(number_integer_t value) override { return number(value); }
    bool number_unsigned(number_unsigned_t value) override {
        return value > INT64_MAX ? mismatch(fmt::format("number {}", value), "number")
                                 : number(static_cast<std::int64_t>(value));
    }
    bool number_float(number_float_t /*value*/, const string_t& text) override {
        return mismatch(fmt::format("number {}", text), "number");
    }
    bool string(string_t& value) override {
        if (depth_ != 1 || field_ == nullptr) {
            return depth_ == 0 ? mismatch("string") : true;
        }
        if (!field_->is_text) {
            return mismatch("string");
        }
        text_of(field_->field) = value;
        return true;
    }
    bool binary(binary_t& /*value*/) override { return false; }
    bool start_object(std::size_t /*size*/) override {
        if (depth_ > 0) {
            mismatch("object");
        }
        ++depth_;
        return true;
    }
    bool end_object() override { return --depth_, true; }
    bool start_array(std::size_t /*size*/) override {
        mismatch("array");
        ++depth_;
        return true;
    }
    bool end_array() override { return --depth_, true; }
    bool key(string_t& name) override {
        if (depth_ == 1) {
            const auto* found =
                std::find_if(kFields.begin(), kFields.end(),
                             [&](const FieldName& f) { return same_but_case(f.name, name); });
            field_ = found == kFields.end() ? nullptr : found;
        }
        return true;
    }
    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const Json::exception& /*why*/) override {
        problem_ = fmt::format("invalid text or number near byte {}", position);
        return false;
    }

 private:
    std::string& text_of(Field field) {
        return field == Field::kProto      ? spec_.proto
               : field == Field::kParentIp ? spec_.parent_ip
                                           : spec_.child_ip;
    }
    std::int64_t& number_of(Field field) {
        return field == Field::kParentPort  ? spec_.parent_port
               : field == Field::kChildPort ? spec_.child_port
               : field == Field::kParentEnd ? spec_.parent_port_end
                                            : spec_.child_port_end;
    }
    bool number(std::int64_t value) {
        if (depth_ != 1 || field_ == nullptr) {
            return depth_ == 0 ? mismatch("number") : true;
        }
        if (field_->is_text) {
            return mismatch("number");
        }
        number_of(field_->field) = value;
        return true;
    }
    // `of_text` is how Go calls the same thing where text was wanted, without its digits.
    bool mismatch(std::string_view what, std::string_view of_text = {}) {
        if (!problem_.empty() || (depth_ > 0 && (depth_ > 1 || field_ == nullptr))) {
            return true;
        }
        if (depth_ == 0) {
            problem_ = fmt::format("json: cannot unmarshal {} into Go value of type port.Spec",
                                   of_text.empty() ? what : of_text);
        } else {
            problem_ =
                fmt::format("json: cannot unmarshal {} into Go struct field Spec.{} of type {}",
                            field_->is_text && !of_text.empty() ? of_text : what, field_->name,
                            field_->is_text ? "string" : "int");
        }
        return true;
    }

    model::PortFields spec_;
    const FieldName* field_ = nullptr;  // the key at hand; null = one we do not know
    int depth_ = 0;
    std::string problem_;
};

std::string port_text(std::int64_t first, std::int64_t last) {
    return last == 0 || last == first ? fmt::format("{}", first)
                                      : fmt::format("{}-{}", first, last);
}

}  // namespace

model::PortFields fields_of(const model::PortSpec& spec) {
    model::PortFields fields;
    fields.proto = spec.proto();
    fields.parent_ip = spec.parent_ip();
    fields.parent_port = spec.parent_port();
    fields.child_ip = spec.child_ip();
    fields.child_port = spec.child_port();
    if (spec.is_range()) {
        fields.parent_port_end = spec.parent_port_end();
        fields.child_port_end = spec.child_port_end();
    }
    return fields;
}

std::string parent_port_text(const model::PortFields& spec) {
    return port_text(spec.parent_port, spec.parent_port_end);
}

std::string child_port_text(const model::PortFields& spec) {
    return port_text(spec.child_port, spec.child_port_end);
}

std::string encode_info(const Info& info) {
    Json object = Json::object();
    object["apiVersion"] = info.api_version;
    object["version"] = info.version;
    object["stateDir"] = info.state_dir;
    object["childPID"] = info.child_pid;
    if (info.network) {
        object["networkDriver"] = network_json(*info.network, info.helper);
    }
    if (info.port) {
        object["portDriver"] = port_driver_json(*info.port);
    }
    return dump(object);
}

std::string encode_spec(const model::PortFields& spec) {
    return dump(spec_json(spec));
}

std::string encode_status(const model::PortStatus& status) {
    return dump(status_json(status));
}

std::string encode_statuses(const std::vector<model::PortStatus>& statuses) {
    Json list;
    for (const model::PortStatus& status : statuses) {
        list.push_back(status_json(status));
    }
    return dump(list);
}

std::string encode_error(std::string_view message) {
    return dump(Json{{"message", std::string(message)}}) + "\n";
}

Result<model::PortFields> decode_spec(std::string_view body) {
    const std::string_view value = TRY(first_json_value(body));
    SpecReader reader;
    static_cast<void>(Json::sax_parse(value, &reader));
    return std::move(reader).result();
}

std::string encode_stats(const Stats& stats) {
    Json object = Json::object();
    Json& relay = object["relay"] = Json::object();
    each_health_value(stats.relay, [&](const char* key, const auto& value) { relay[key] = value; });
    Json& ports = object["ports"] = Json::array();
    for (const PortStats& port : stats.ports) {
        Json one = Json::object();
        one["id"] = port.counters.id;
        one["spec"] = spec_json(port.spec);
        each_counter(port.counters, [&](const char* key, const auto& value) { one[key] = value; });
        ports.push_back(std::move(one));
    }
    if (stats.network) {
        Json& network = object["network"] = Json::object();
        model::each_gateway_counter(
            *stats.network, [&](const char* key, std::uint64_t value) { network[key] = value; });
    }
    return dump(object);
}

}  // namespace rk::api
