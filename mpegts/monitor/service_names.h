// What other tables than its own say of a service: its logical channel number, ATSC's virtual channel, its
// conditional access. Threading: pure.
#pragma once

#include "mpegts/monitor/psi_collector.h"
#include "mpegts/monitor/stream_report.h"

namespace headgate::mpegts {

// Of all services of the report, whose `si` is there already.
void name_services(StreamReport& report, const PsiCollector& psi);

}  // namespace headgate::mpegts
