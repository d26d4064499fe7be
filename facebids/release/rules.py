# SPDX-License-Identifier: Apache-2.0
"""Rules on identifying metadata: what they find, by which source, and how it is removed.

Sources:

- PS3.15: DICOM PS3.15, table E.1-1, Basic Application Level Confidentiality Profile. Sidecars of
  dcm2niix, dcmstack and heudiconv use the names of its attributes as keys.
- HIPAA (A) to (R): the identifiers of the Safe Harbor method, 45 CFR 164.514(b)(2)(i).
- BIDS: the schema of BIDS 1.11, ``rules.checks.privacy`` and ``objects.columns``.

Attributes of the profile that describe a protocol rather than a person (ProtocolName,
SeriesDescription, StudyDescription and others) are kept, as scientific sidecars depend on them.
Their values are searched for dates, contact details and numbers, and listed for a person to read.
"""

import re
from dataclasses import dataclass

PS315 = 'PS3.15'
REMOVE = 'key removed; cells become n/a'
FREE_TEXT = 'free text'  # what no rule removes


@dataclass(frozen=True)
class Rule:
    """A kind of identifying metadata.

    Attributes
    ----------
    name
        Name of the rule.
    what
        What it finds, in words.
    sources
        Standards that list this kind as identifying.
    action
        How it is removed.
    keys
        Patterns of JSON keys, reduced to letters and digits in lower case.
    columns
        Patterns of column names, in lower case, with words separated by ``_``.
    words
        Words in lower case; a key or column that has one of them, in any spelling, is meant.
    """

    name: str
    what: str
    sources: tuple[str, ...]
    action: str = REMOVE
    keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """Identifying metadata in a file.

    Attributes
    ----------
    path
        POSIX path of the file relative to the dataset.
    where
        The place in the file: ``global.const.StudyDate``, ``age of sub-03``, ``descrip``.
    rule
        Name of the rule.
    value
        The identifying value, for private logs only.
    """

    path: str
    where: str
    rule: str
    value: str


_PERSON = (
    r'(?:patients?|subjects?|participants?|volunteers?|mothers?|fathers?|parents?|guardians?)'
)
_STAFF = r'(?:physicians?|radiologists?|operators?|technicians?|technologists?|radiographers?)'
_PHONE = r'(?:telephone|phone|mobile|cellphone|telecominformation|fax|email)s?'
_COLUMN_PHONE = r'(?:telephone|phone|mobile|mobile_phone|cell_phone|fax|email|e_mail)'

RULES = (
    Rule(
        'name',
        'names of participants, relatives, physicians and staff',
        (PS315, 'HIPAA (A)'),
        keys=(
            rf'(?:other)?{_PERSON}s?(?:birth|first|last|full|family|given)?names?',
            r'patients?mothersbirthname|patientmotherbirthname',
            rf'(?:nameof)?(?:[a-z]*{_STAFF})(?:s?names?|ofrecord|readingstudy)?',
            rf'[a-z]*{_STAFF}s?(?:identification|address|identificationcode)(?:sequence)?',
            r'physicians?(?:ofrecord|readingstudy|approving)[a-z]*',
            r'(?:person|reviewer|contentcreator|verifyingobserver|distribution|cameraowner)s?name',
            r'(?:actual|scheduled)?humanperformers?(?:name|organization|sequence)|experimenter',
            r'responsibleperson|interpretation(?:author|recorder|transcriber)|orderenteredby',
            r'namesofintendedrecipientsofresults',
            r'(?:first|last|full|family|given|middle|maiden)name|surname|initials',
        ),
        columns=(
            rf'(?:.*_)?(?:first|last|full|family|given|middle|maiden|birth|legal|{_PERSON})_names?',
            r'(?:.*_)?(?:firstname|lastname|fullname|surname|forename|initials)',
            rf'(?:.*_)?{_STAFF}(?:s?_names?)?',
            r'name|operators?_name',
        ),
    ),
    Rule(
        'birth',
        'dates and places of birth',
        (PS315, 'HIPAA (B), (C)'),
        keys=(r'(?:patients?)?(?:birthdate|birthtime|birthday|dateofbirth|dob|birthplace)[a-z]*',),
        columns=(
            r'(?:.*_)?(?:dob|birth_?date|birth_?day|birth_?place|date_?birth)',
            r'(?:.*_)?(?:date|day|place|time)_of_birth',
        ),
    ),
    Rule(
        'date',
        'dates, and times of acquisition',
        (PS315, 'HIPAA (C)', 'BIDS'),
        keys=(
            r'(?!.*(?:up|candi|man)date)[a-z]*date(?:time)?s?(?:trial)?',
            r'dateof[a-z]+|timezoneoffsetfromutc',
            r'(?:study|series|acquisition|content|instancecreation|overlay|curve|admitting|'
            r'discharge|treatment|observation|scheduledprocedurestep(?:start|end)|'
            r'performedprocedurestep(?:start|end)|scheduledstudy(?:start|stop)|study(?:arrival|'
            r'completion|verified|read))time(?:trial)?',
        ),
        columns=(r'(?:.*_)?(?:date|dates|datetime|date_time)(?:_.*)?', r'acq_time'),
    ),
    Rule(
        'institution',
        'institutions, departments and stations',
        (PS315, 'HIPAA (B)'),
        keys=(
            r'institution(?:s?names?|address|codesequence)?|institutionaldepartment[a-z]*',
            r'(?:[a-z]*)stationname(?:codesequence)?|[a-z]*stationaetitle',
            r'[a-z]*stationgeographiclocationcodesequence|[a-z]*studylocation(?:aetitle)?',
            r'clinicaltrial(?:coordinatingcenter|site)(?:name|id)|clinicaltrialsponsorname',
            r'(?:responsible|verifying|custodial)organization(?:sequence)?|requestingservice',
            r'hospital(?:name|address)?|clinic(?:name)?|sampleextractioninstitution',
            r'(?:performed|currentpatient|scheduledprocedurestep|requestedprocedure|'
            r'orderenterer)location',
        ),
        columns=(r'(?:.*_)?(?:institution|hospital|clinic)(?:_name|_address)?|station_name',),
    ),
    Rule(
        'address',
        'addresses and places of residence',
        (PS315, 'HIPAA (B)'),
        keys=(
            r'(?:patients?|persons?|home)?address|street(?:address)?|(?:zip|postal|post)code',
            r'(?:patientinstitution|country|regionof|countryof)residence',
        ),
        columns=(
            r'(?:.*_)?(?:address|street|zip|zip_?code|postal_?code|post_?code|postcode|plz)',
            r'(?:home_)?(?:city|town|county|municipality|neighbou?rhood)',
        ),
    ),
    Rule(
        'contact',
        'telephone and fax numbers, e-mail addresses',
        (PS315, 'HIPAA (D), (E), (F)'),
        keys=(
            rf'(?:patients?|persons?|ordercallback|contact|home|work|[a-z]*physicians?)?{_PHONE}'
            r'(?:numbers?|address)?',
        ),
        columns=(rf'(?:.*_)?{_COLUMN_PHONE}(?:_(?:number|no|nr|address|home|work))?',),
    ),
    Rule(
        'record number',
        'numbers of records, studies, orders, insurance policies and identity cards',
        (PS315, 'HIPAA (G) to (L), (O), (R)'),
        keys=(
            r'(?:specimen)?accessionnumber|studyid|admissionid|serviceepisodeid|barcodevalue',
            r'issuerof[a-z]+|[a-z]*idissuer|(?:filler|placer)ordernumber[a-z]*',
            r'(?:performed|scheduled)procedurestepid|requestedprocedureid',
            r'medicalrecord(?:locator|number)|mrn|ssn|socialsecuritynumber',
            r'(?:patient)?insuranceplan[a-z]+|clinicaltrial(?:subject|subjectreading)id',
        ),
        columns=(
            r'(?:.*_)?(?:mrn|ssn|medical_record(?:_(?:id|no|nr|number))?|social_security.*)',
            r'(?:.*_)?(?:patient|hospital|insurance|passport|national|accession|account|nhs|'
            r'health_plan|driver_?s?_licen[cs]e|licen[cs]e_plate|identity_card)_'
            r'(?:id|ids|no|nr|number)',
            r'accession|patientid|ip_address|passport|licen[cs]e_plate',
        ),
    ),
    Rule(
        'patient',
        'DICOM attributes of the patient: identifier, age, sex, size, weight, history and others',
        (PS315, 'HIPAA (C), (R)'),
        keys=(
            r'(?:other)?patients?ids?(?:sequence)?|patientalternativecalendar',
            r'(?:used)?patients?(?:age|sex|gender|sexneutered|size|height|weight|state)',
            r'patient(?:religiouspreference|primarylanguage[a-z]*|transportarrangements)',
            r'ethnicgroups?|occupation|smokingstatus|pregnancystatus|allergies|medicalalerts',
            r'specialneeds|militaryrank|branchofservice|premedication',
            r'(?:admitting|discharge)diagnos[ei]s[a-z]*|referencedpatient[a-z]+',
        ),
    ),
    Rule(
        'age',
        'ages above 89',
        ('HIPAA (C)', 'BIDS'),
        'becomes 89 years, in the unit of the age; years of birth become n/a',
        keys=(r'(?:subjects?|participants?)?age',),
        columns=(
            r'(?:.*_)?age(?:_.*)?',
            r'(?:.*_)?(?:birth_year|year_of_birth|yob)',
        ),
    ),
    Rule(
        'device',
        'serial numbers and identifiers of devices',
        (PS315, 'HIPAA (M)'),
        keys=(
            r'[a-z]*serial(?:number|no|nr)|deviceuid|deviceid|uniquedeviceidentifier|udisequence',
            r'(?:gantry|detector|generator|plate|cassette|xraydetector|xraysource)id',
            r'(?:manufacturer)?device(?:alternate)?identifier',
        ),
        columns=(r'(?:.*_)?serial_?(?:number|no|nr)', r'device_(?:id|uid)'),
    ),
    Rule(
        'UID',
        'unique identifiers of studies, series and images',
        (PS315, 'HIPAA (R)'),
        keys=(
            r'[a-z]*(?:instance|frameofreference|irradiationevent|concatenation|observation|'
            r'dimensionorganization|instancecreator|tracking|transaction|specimen|fiducial|'
            r'fileset|digitalsignature|patientsetup|dosereference)uids?(?:list|infile|trial)?',
        ),
        columns=(r'(?:.*_)?(?:study|series|sop|instance)(?:_instance)?_?uid',),
    ),
    Rule(
        'comment',
        'comments, notes and histories, typed at the scanner or later',
        (PS315, 'HIPAA (R)'),
        keys=(
            r'(?:image|patient|study|visit|acquisition|frame|identifying|results|text|overlay|'
            r'imagepresentation|requestedprocedure|imagingservicerequest)comments?',
            r'commentson[a-z]+|(?:additional)?patient(?:medical)?history|reasonfor[a-z]+',
            r'interpretation(?:text|diagnosisdescription)|impressions|confidentialityconstraint[a-z]+',
        ),
        columns=(r'(?:.*_)?(?:patient|medical|clinical)_history',),
        words=frozenset(['comment', 'comments', 'note', 'notes', 'remark', 'remarks']),
    ),
    Rule(
        'date in text',
        'a date after 1925 in any other text (2019-03-04, 20190304, 04.03.2019, 4 Mar 2019)',
        (PS315, 'HIPAA (C)'),
    ),
    Rule(
        'contact in text',
        'an e-mail address or telephone number in any other text',
        ('HIPAA (D), (E), (F)',),
    ),
    Rule(
        'number in text',
        'a record number in any other text; in comments and descriptions, any number of six or '
        'more digits',
        ('HIPAA (G) to (R)',),
    ),
    Rule(
        'UID in text',
        'a DICOM UID of an image or device in any other text',
        (PS315, 'HIPAA (M), (R)'),
    ),
    Rule(
        'header text',
        'text in a NIfTI header (descrip, aux_file, db_name, data_type, intent_name) other than '
        'names of programs and scan parameters',
        ('HIPAA (A), (C), (R)',),
        'all of these fields are emptied, except a standard intent_name',
    ),
    Rule(
        'header extension',
        'extensions of a NIfTI header, which may contain complete DICOM headers',
        (PS315, 'HIPAA (A) to (R)'),
        'removed; the required one of NIfTI-MRS is kept without the keys above',
    ),
    Rule(
        'hidden bytes',
        'nonzero bytes between header and voxels, and any bytes after the voxels',
        ('HIPAA (R)',),
        'removed',
    ),
    Rule(
        'gzip header',
        'time stamp, comment, extra field and foreign file name in a gzip header',
        ('BIDS', 'RFC 1952'),
        'written again without them',
    ),
)

BY_NAME = {rule.name: rule for rule in RULES}
_KEYS = {rule.name: re.compile('|'.join(rule.keys)) for rule in RULES if rule.keys}
_COLUMNS = {rule.name: re.compile('|'.join(rule.columns)) for rule in RULES if rule.columns}


def of_key(key: str) -> Rule | None:
    """Return the rule for a JSON key in any spelling, or None.

    Only the last part of keys with dots counts (``CsaSeries.UsedPatientWeight``, by dcmstack).
    """
    last = key.rpartition('.')[2]
    return _first(_KEYS, re.sub(r'[\W_]+', '', last).lower()) or _of_words(last)


def of_column(column: str) -> Rule | None:
    """Return the rule for a column name in any spelling, or None."""
    return _first(_COLUMNS, words(column)) or _of_words(column)


def words(column: str) -> str:
    """Return a name in lower case, with words separated by ``_``: ``MRComments`` is two words."""
    case = r'(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])'
    apart = re.sub(rf'{case}|[\W_]+', '_', column.strip().strip('"'))
    return apart.strip('_').lower()


def _of_words(name: str) -> Rule | None:
    there = set(words(name).split('_'))
    return next((rule for rule in RULES if there & rule.words), None)


def _first(patterns: dict[str, re.Pattern[str]], word: str) -> Rule | None:
    names = (name for name, pattern in patterns.items() if pattern.fullmatch(word))
    return next((BY_NAME[name] for name in names), None)
