#include "mpegts/monitor/service_names.h"

#include <string>

namespace headgate::mpegts {
namespace {

// The first number that a NIT actual gives a service of this stream.
const ListedChannel* listed(const StreamReport& report, std::uint16_t service_id) {
  for (const NetworkTable& network : report.si.networks) {
    if (network.kind != Nit::Kind::network) continue;
    for (const NetworkStream& stream : network.streams) {
      if (stream.transport_stream_id != report.transport_stream_id) continue;
      for (const ListedChannel& channel : stream.channels) {
        if (channel.service_id == service_id) return &channel;
      }
    }
  }
  return nullptr;
}

}  // namespace

void name_services(StreamReport& report, const PsiCollector& psi) {
  for (ServiceInfo& service : report.services) {
    if (const ListedChannel* channel = listed(report, service.program_number)) {
      service.lcn = channel->number;
      service.lcn_visible = channel->visible;
    }
    for (const VirtualChannel& channel : report.si.virtual_channels) {
      if (channel.program_number != service.program_number) continue;
      service.virtual_channel = std::to_string(channel.major) + "." + std::to_string(channel.minor);
      if (service.name.empty()) service.name = channel.short_name;
      break;
    }
    const auto program = psi.programs().find(service.program_number);
    if (program == psi.programs().end() || !program->second.pmt) continue;
    add_ca_systems(service.ca, program->second.pmt->descriptors);
    for (const PmtStream& stream : program->second.pmt->streams)
      add_ca_systems(service.ca, stream.descriptors);
  }
}

}  // namespace headgate::mpegts
