// apim-dr on Azure Functions (Flex Consumption): backups and restores of API Management instances that exist already.
// Says the same as azuredeploy.json, which is the reference.

targetScope = 'resourceGroup'

@minLength(1)
@description('Resource ids of the API Management instances that are backed up. Each needs its system-assigned identity enabled.')
param apimResourceIds string[]

@description('Resource ids of the instances that may be restored into, and no others: standbys, and those for drills. Each needs its system-assigned identity enabled.')
param standbyResourceIds string[] = []

@description('Region of the app. Best another one than that of the instances that are backed up: it has to work when theirs does not.')
param location string = resourceGroup().location

@description('Region of the account with the backups. Best the paired region of the instances that are backed up.')
param backupLocation string = resourceGroup().location

@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
  'Standard_RAGRS'
  'Standard_RAGZRS'
])
@description('Redundancy of both storage accounts: that of the backups, and the app\'s own, which has the records.')
param storageRedundancy string = 'Standard_GRS'

@minValue(31)
@description('After how many days the account deletes a backup by itself. A backup can be restored for 30 days, so never before 31.')
param backupRetentionDays int = 35

@minValue(7)
@maxValue(365)
@description('How long deleted blobs and containers of that account can be brought back.')
param softDeleteDays int = 14

@maxLength(32)
@description('Name of the function app, unique in all of Azure.')
param functionAppName string = 'apim-dr-${uniqueString(resourceGroup().id)}'

@description('When backups start: NCRONTAB in UTC, six fields. The alert on missing backups wants one a day.')
param backupSchedule string = '0 0 1 * * *'

@description('What is backed up, as the README\'s chapter on targets has it; storageAccount and containerName may be left out. Empty: each of apimResourceIds, under its own name.')
param targets array = []

@secure()
@description('Who is told of operations and alarms: a JSON array of hooks, as the README has it. Empty: nobody but the alerts below.')
param notify string = ''

@allowed([
  'keys'
  'easy-auth'
])
@description('Who may call: keys (function keys), or easy-auth (App Service authentication; the package must be made with --auth easy-auth).')
param authMode string = 'keys'

@description('Required with easy-auth: the application that callers get their tokens for.')
param authClientId string = ''

@description('With easy-auth: object ids of those who may call. Empty: whoever of the tenant gets a token for that application.')
param authPrincipalIds string[] = []

@description('Refuse requests that bring a clientSecret or an accessKey. Turn it off for callers that still send them.')
param refusePayloadSecrets bool = true

@description('Whether the app may delete backups, for targets with retention rules. Otherwise it only reads them.')
param prune bool = false

@description('Whether the app may read what it looks at before a start, and for comparisons. Without it these end in warnings.')
param preflight bool = true

@description('Who is mailed when an alert fires. Empty: the alerts are only shown.')
param alertEmail string = ''

var token = uniqueString(resourceGroup().id, functionAppName)
var hostAccountName = 'apimdrhost${token}'
var backupAccountName = 'apimdrbak${token}'
var packageContainer = 'app-package'
var backupContainer = 'apim-backups'
var recordsContainer = 'azure-webjobs-hosts'
var isEasyAuth = authMode == 'easy-auth'

var instances = union(apimResourceIds, standbyResourceIds)
var instanceGroups = map(instances, id => '/subscriptions/${split(id, '/')[2]}/resourceGroups/${split(id, '/')[4]}')
var assignableScopes = union([resourceGroup().id], instanceGroups)
// Empty, the setting would allow all.
var restoreTargets = empty(standbyResourceIds) ? 'none' : join(map(standbyResourceIds, id => split(id, '/')[8]), ',')

var place = {
  storageAccount: backupAccountName
  containerName: backupContainer
}
var standby = length(apimResourceIds) == 1 && length(standbyResourceIds) == 1
  ? { standby: standbyResourceIds[0] }
  : {}
var ownTargets = map(apimResourceIds, id => union({
  name: take(toLower(split(id, '/')[8]), 40)
  subscriptionId: split(id, '/')[2]
  resourceGroup: split(id, '/')[4]
  apimInstance: split(id, '/')[8]
  backupName: split(id, '/')[8]
}, standby))
var allTargets = map(empty(targets) ? ownTargets : targets, target => union(place, target))
var storageAccounts = join(union([backupAccountName], map(allTargets, target => target.storageAccount)), ',')

var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}
var backupRoleName = 'APIM DR Backup (${functionAppName})'
var restoreRoleName = 'APIM DR Restore (${functionAppName})'
var preflightRoleName = 'APIM DR Preflight (${functionAppName})'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${functionAppName}-logs'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 90
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${functionAppName}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: hostAccountName
  location: location
  kind: 'StorageV2'
  sku: {
    name: storageRedundancy
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: hostAccount
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: hostBlobs
  name: packageContainer
  properties: {
    publicAccess: 'None'
  }
}

resource records 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: hostBlobs
  name: recordsContainer
  properties: {
    publicAccess: 'None'
  }
}

resource backupAccount 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: backupAccountName
  location: backupLocation
  kind: 'StorageV2'
  sku: {
    name: storageRedundancy
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource backupBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: backupAccount
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource backups 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: backupBlobs
  name: backupContainer
  properties: {
    publicAccess: 'None'
  }
}

resource lifecyclePolicy 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: backupAccount
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-what-cannot-be-restored'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${backupContainer}/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: backupRetentionDays
                }
              }
              version: {
                delete: {
                  daysAfterCreationGreaterThan: backupRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [
    backupBlobs
  ]
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${functionAppName}-plan'
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: functionAppName
  location: location
  kind: 'functionapp,linux'
  tags: {
    'azd-service-name': 'apim-dr'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostAccount.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'SystemAssignedIdentity'
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: 40
        instanceMemoryMB: 512
      }
      runtime: {
        name: 'custom'
        version: '1.0'
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        { name: 'AzureWebJobsStorage__accountName', value: hostAccountName }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insights.properties.ConnectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'Authorization=AAD' }
        { name: 'APIM_DR_CREDENTIAL', value: 'managed-identity' }
        { name: 'APIM_DR_BACKUP_SCHEDULE', value: backupSchedule }
        { name: 'APIM_DR_TARGETS', value: string(allTargets) }
        { name: 'APIM_DR_NOTIFY', value: notify }
        { name: 'APIM_DR_RESTORE_TARGETS', value: restoreTargets }
        { name: 'APIM_DR_STORAGE_ACCOUNTS', value: storageAccounts }
        { name: 'APIM_DR_REQUIRE_PRINCIPAL', value: isEasyAuth ? 'true' : 'false' }
        { name: 'APIM_DR_REFUSE_PAYLOAD_SECRETS', value: refusePayloadSecrets ? 'true' : 'false' }
      ]
    }
  }
  dependsOn: [
    packages
    records
  ]
}

resource signIn 'Microsoft.Web/sites/config@2024-04-01' = if (isEasyAuth) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      // The program refuses whom nobody signed in, all but links, which have a token of their own, and health.
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: authClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            authClientId
            'api://${authClientId}'
          ]
          defaultAuthorizationPolicy: {
            allowedPrincipals: empty(authPrincipalIds) ? {} : { identities: authPrincipalIds }
          }
        }
      }
    }
  }
}

resource hostRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostAccount.id, app.id, roles.storageBlobDataOwner)
  scope: hostAccount
  properties: {
    description: 'The Functions host keeps keys, locks and the package there, apim-dr its records.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

resource insightsRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, app.id, roles.monitoringMetricsPublisher)
  scope: insights
  properties: {
    description: 'The Functions host sends the log there.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

var appBackupsRole = prune ? roles.storageBlobDataContributor : roles.storageBlobDataReader

resource backupsRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(backups.id, app.id, appBackupsRole)
  scope: backups
  properties: {
    description: 'apim-dr looks for the backups, and deletes them if it may.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', appBackupsRole)
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

module apimStorage 'modules/backup-storage-access.bicep' = [
  for (id, index) in instances: {
    name: 'apim-dr-storage-${uniqueString(functionAppName, id)}'
    params: {
      backupAccountName: backupAccount.name
      apimId: id
      apimPrincipalId: apimAccess[index].outputs.apimPrincipalId
    }
  }
]

resource backupRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, backupRoleName)
  properties: {
    roleName: backupRoleName
    description: 'Backs up an API Management instance.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.ApiManagement/service/read'
          'Microsoft.ApiManagement/service/backup/action'
          'Microsoft.ApiManagement/service/operationresults/read'
        ]
      }
    ]
    assignableScopes: assignableScopes
  }
}

resource restoreRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, restoreRoleName)
  properties: {
    roleName: restoreRoleName
    description: 'Restores a backup into an API Management instance, overwriting it.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.ApiManagement/service/read'
          'Microsoft.ApiManagement/service/restore/action'
          'Microsoft.ApiManagement/service/operationresults/read'
        ]
      }
    ]
    assignableScopes: assignableScopes
  }
}

resource preflightRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, preflightRoleName)
  properties: {
    roleName: preflightRoleName
    description: 'Reads what apim-dr looks at before a start, and for comparisons. No secrets, and no users\' keys.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.ApiManagement/service/read'
          'Microsoft.ApiManagement/service/apis/read'
          'Microsoft.ApiManagement/service/products/read'
          'Microsoft.ApiManagement/service/subscriptions/read'
          'Microsoft.ApiManagement/service/users/read'
          'Microsoft.ApiManagement/service/workspaces/read'
          'Microsoft.ApiManagement/service/portalRevisions/read'
          'Microsoft.ApiManagement/service/networkStatus/read'
          'Microsoft.Insights/diagnosticSettings/read'
          'Microsoft.Storage/storageAccounts/read'
          'Microsoft.Storage/storageAccounts/blobServices/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
          'Microsoft.Authorization/roleAssignments/read'
        ]
      }
    ]
    assignableScopes: assignableScopes
  }
}

resource backupAccountRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (preflight) {
  name: guid(backupAccount.id, app.id, preflightRole.name)
  scope: backupAccount
  properties: {
    description: 'apim-dr looks at the account before a start.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', preflightRole.name)
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

module apimAccess 'modules/apim-access.bicep' = [
  for id in instances: {
    name: 'apim-dr-access-${uniqueString(functionAppName, id)}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: {
      apimName: split(id, '/')[8]
      principalId: app.identity.principalId
      appId: app.id
      backupRole: contains(apimResourceIds, id) ? backupRole.name : ''
      restoreRole: contains(standbyResourceIds, id) ? restoreRole.name : ''
      preflightRole: preflight ? preflightRole.name : ''
    }
  }
]

resource onCall 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: '${functionAppName}-on-call'
  location: 'global'
  properties: {
    groupShortName: 'apim-dr'
    enabled: true
    emailReceivers: [
      {
        name: 'on-call'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

var actionGroups = empty(alertEmail) ? [] : [onCall.id]

resource noBackup 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${functionAppName}-no-backup'
  location: location
  properties: {
    displayName: 'APIM DR: no backup has succeeded in 26 hours'
    description: 'Fires also if the app is gone, and during its first 26 hours until a backup has succeeded.'
    severity: 1
    enabled: true
    scopes: [
      insights.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'P2D'
    criteria: {
      allOf: [
        {
          query: '''
traces
| where timestamp > ago(26h)
| extend line = parse_json(message)
| where tostring(line["operation.kind"]) == "backup" and tostring(line["operation.phase"]) == "Succeeded"
| summarize succeeded = count()
| where succeeded == 0'''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: actionGroups
    }
  }
}

resource failed 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${functionAppName}-failed'
  location: location
  properties: {
    displayName: 'APIM DR: an operation failed, or an alarm was raised'
    description: 'What failed, and what helps, is in the log lines and on the status page.'
    severity: 1
    enabled: true
    scopes: [
      insights.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      allOf: [
        {
          query: '''
traces
| where ingestion_time() > ago(15m)
| extend line = parse_json(message)
| where tostring(line["operation.phase"]) == "Failed" or tostring(line.message) in ("alarm raised", "alarm worsened")'''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: false
    skipQueryValidation: true
    actions: {
      actionGroups: actionGroups
    }
  }
}

output functionAppName string = app.name
output functionAppUrl string = 'https://${app.properties.defaultHostName}'
output appPrincipalId string = app.identity.principalId
output backupAccountName string = backupAccount.name
output backupContainerName string = backupContainer
output records string = 'az://${hostAccountName}/${recordsContainer}/apim-dr'
